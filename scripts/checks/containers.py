"""The images and the Compose file, for real: built, measured, brought up; a task with kills of every role; its audit.

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
import secrets
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from protocol.errors import HearthError
from scripts.checks.compose import Compose
from scripts.checks.podman import NEEDS, ContainerError, Podman, lacking, running_podman

ROOT: Final = Path(__file__).resolve().parents[2]
PREFIX: Final = "localhost/hearth"
IMAGES: Final = ("edge", "authority", "agent", "auditor", "chain")
MOST_MEGABYTES: Final = {"edge": 650, "authority": 650}
FIRST_ROUND_SECONDS: Final = 90
BASE: Final = "docker.io/library/python:3.11-slim"
STAND_INS: Final = {
    "kubo": "HEARTH_KUBO_IMAGE",
    "postgres": "HEARTH_POSTGRES_IMAGE",
    "mosquitto": "HEARTH_MOSQUITTO_IMAGE",
}
# one of each role, in this order, one after the other while the task runs
KILLED: Final = (
    "authority-1", "edge-1", "phone-1", "store", "database", "edge-2", "household-1", "broker", "phone-2", "chain",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="of the task")
    parser.add_argument("--phones", type=int, default=0, help="more phones, by the overlay")
    parser.add_argument("--kills", nargs="*", default=KILLED, metavar="SERVICE", help="killed, one after the other")
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
            _build(podman)
        result: dict[str, Any] = {"megabytes": {name: podman.megabytes(f"{PREFIX}/{name}") for name in IMAGES}}
        images = _public_images(podman)
        result["stand_ins"] = sorted(name for name, variable in STAND_INS.items() if variable in images)
        with tempfile.TemporaryDirectory() as folder:
            _story(podman, Path(folder), images, options, result)
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


def _build(podman: Podman) -> None:
    for name in IMAGES:
        _say(f"builds {name}")
        podman.build(ROOT / "docker" / "Dockerfile", ROOT, name, f"{PREFIX}/{name}", _build_options())


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


def _story(
    podman: Podman, folder: Path, images: dict[str, str], options: argparse.Namespace, result: dict[str, Any]
) -> None:
    files = ["compose.yaml", *(["compose.phones.yaml"] if options.phones else [])]
    variables = {
        **images,
        "CONTAINER_ENGINE": "podman",
        "HEARTH_IMAGES": PREFIX,
        "HEARTH_SECRETS": str(folder / "secrets"),
        "HEARTH_ROUNDS": str(options.rounds),
        "HEARTH_PHONES": str(options.phones),
    }
    project = f"hearth-check-{secrets.token_hex(4)}"
    with Compose(podman, ROOT / "docker", files, project, variables) as compose:
        compose.make_secrets()
        started = time.monotonic()
        compose.up()
        result["seconds_until_posted"] = round(time.monotonic() - started, 1)
        compose.await_published(1)
        result["seconds_until_first_round"] = seconds = round(time.monotonic() - started, 1)
        result["first_round_in_time"] = seconds <= FIRST_ROUND_SECONDS  # no failure: other work may slow the machine
        _say(f"the first round is published after {result['seconds_until_first_round']} s")
        result["doors"] = compose.doors()
        result["killed"] = killed = []
        for service in options.kills:
            if compose.is_over():
                raise ContainerError(f"the task ended before {service} could be killed: give it more --rounds")
            _say(f"kills {service}")
            compose.kill(service)
            killed.append(service)
        result["audit"], said = compose.await_exit("auditor")
        result["seconds"] = round(time.monotonic() - started, 1)
        _say(said)


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


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HearthError as error:
        sys.exit(str(error))
