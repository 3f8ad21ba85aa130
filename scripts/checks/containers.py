"""The images and the Compose file, for real: built, measured, brought up; a task with kills of every role and then of
any at any time, which the edge server then leaves to a cluster, whose parts are killed too; its audit.

``python -m scripts.checks.containers`` needs podman and root (:mod:`scripts.checks.podman`), and says so without them.
It prints JSON, and ends with 1 when something is not as promised.

``HEARTH_BUILD_OPTIONS``: more words for ``podman build``, as for the certificates of a mirror.
``HEARTH_BASE_ARCHIVE``: a tar file of a root file system with Python 3.11, where no registry gives python:3.11-slim.
Public images that no registry gives are replaced by stand-ins of tests/docker.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from protocol.errors import HearthError
from scripts.checks.compose import Compose
from scripts.checks.containers_story import KILLED, Storm, say, tell_story
from scripts.checks.podman import NEEDS, Podman, lacking, running_podman

ROOT: Final = Path(__file__).resolve().parents[2]
PREFIX: Final = "localhost/hearth"
IMAGES: Final = ("edge", "authority", "agent", "auditor", "chain")
MOST_MEGABYTES: Final = dict.fromkeys(("edge", "authority", "agent", "auditor"), 650)
BASE: Final = "docker.io/library/python:3.11-slim"
STAND_INS: Final = {
    "kubo": "HEARTH_KUBO_IMAGE",
    "postgres": "HEARTH_POSTGRES_IMAGE",
    "mosquitto": "HEARTH_MOSQUITTO_IMAGE",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="of the task")
    parser.add_argument("--phones", type=int, default=0, help="more phones, by the overlay")
    parser.add_argument("--kills", nargs="*", default=KILLED, metavar="SERVICE", help="killed, one after the other")
    parser.add_argument("--storm", type=int, default=20, metavar="KILLS", help="of any service, at any time")
    parser.add_argument("--seed", type=int, default=0, help="of the storm")
    parser.add_argument("--no-cluster", action="store_true", help="leave the overlay with the cluster out")
    parser.add_argument("--built", action="store_true", help="take the images that are here")
    options = parser.parse_args(arguments)
    if missing := lacking():
        _loud(f"NO CONTAINER IS TESTED: without {', '.join(missing)}. It needs {NEEDS}")
        return 0
    with running_podman() as podman:
        if not _base(podman):
            _loud(
                f"NO CONTAINER IS TESTED: {BASE} is not here and cannot be pulled; HEARTH_BASE_ARCHIVE names a tar file"
            )
            return 0
        if not options.built:
            _build(podman, cluster=not options.no_cluster)
        images = [*IMAGES, *(() if options.no_cluster else ("cluster",))]
        result: dict[str, Any] = {"megabytes": {name: podman.megabytes(f"{PREFIX}/{name}") for name in images}}
        replaced = _public_images(podman)
        result["stand_ins"] = sorted(name for name, variable in STAND_INS.items() if variable in replaced)
        files = ["compose.yaml", *(["compose.phones.yaml"] if options.phones else [])]
        with tempfile.TemporaryDirectory() as folder:
            variables = {
                **replaced,
                "CONTAINER_ENGINE": "podman",
                "HEARTH_IMAGES": PREFIX,
                "HEARTH_SECRETS": str(Path(folder) / "secrets"),
                "HEARTH_ROUNDS": str(options.rounds),
                "HEARTH_PHONES": str(options.phones),
            }
            project = f"hearth-check-{secrets.token_hex(4)}"
            os.sync()  # a server that waits for its disk would wait for what was built
            with Compose(podman, ROOT / "docker", files, project, variables) as compose:
                storm = Storm(options.storm, random.Random(options.seed))  # noqa: S311 - repeatable, no secret
                tell_story(compose, files, options.kills, storm, result, cluster=not options.no_cluster)
    result["failures"] = failures = _failures(result)
    print(json.dumps(result, indent=1, sort_keys=True))
    return 1 if failures else 0


def _base(podman: Podman) -> bool:
    archive = os.environ.get("HEARTH_BASE_ARCHIVE")
    if podman.can_get(BASE):
        return True
    if archive is None:
        return False
    unfinished = f"{PREFIX}/base"
    podman.ask("import", "--change", 'CMD ["python3"]', archive, unfinished)
    with tempfile.TemporaryDirectory() as folder:  # what the public image has and a distribution's own Python has not
        names = "ln -sf /usr/bin/python3 /usr/local/bin/python && ln -sf /usr/bin/pip3 /usr/local/bin/pip"
        file = Path(folder) / "Dockerfile"
        file.write_text(f"FROM {unfinished} AS base\nRUN {names} && rm -f /usr/lib/python3.*/EXTERNALLY-MANAGED\n")
        podman.build(file, Path(folder), "base", BASE, ())
    return True


def _build(podman: Podman, *, cluster: bool) -> None:
    file = ROOT / "docker" / "Dockerfile"
    for name in IMAGES:
        say(f"builds {name}")
        podman.build(file, ROOT, name, f"{PREFIX}/{name}", _build_options())
    if cluster:
        say("builds cluster")
        podman.build(file, ROOT, "edge", f"{PREFIX}/cluster", [*_build_options(), "--build-arg", "EXTRA=dask"])


def _build_options() -> list[str]:
    return shlex.split(os.environ.get("HEARTH_BUILD_OPTIONS", ""))


def _public_images(podman: Podman) -> dict[str, str]:
    """Variables of the Compose file for those that no registry gives."""
    replaced = {}
    for name, variable in STAND_INS.items():
        if not podman.can_get(Compose.public_image(ROOT / "docker" / "compose.yaml", variable)):
            _loud(f"NO REAL {name.upper()} IS TESTED: its image is not here and cannot be pulled; a stand-in is")
            replaced[variable] = f"{PREFIX}-stand-in/{name}"
            options = [*_build_options(), "--build-arg", f"EDGE_IMAGE={PREFIX}/edge"]
            podman.build(ROOT / "tests" / "docker" / "stand_ins.Dockerfile", ROOT, name, replaced[variable], options)
    return replaced


def _failures(result: dict[str, Any]) -> list[str]:
    found = [
        f"{name}: {result['megabytes'][name]} MB where {most} are promised"
        for name, most in MOST_MEGABYTES.items()
        if result["megabytes"][name] > most
    ]
    found += result["doors"]
    if result["audit"]:
        found.append(f"the auditor ended with {result['audit']}")
    return found


def _loud(text: str) -> None:
    line = "#" * 80
    print(f"{line}\n## {text}\n{line}", file=sys.stderr, flush=True)


def _interrupted(number: int, _: FrameType | None) -> None:
    """So that containers do not outlive a check that is told to end."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        sys.exit(main())
    except HearthError as error:
        sys.exit(str(error))
