"""What the Compose files, the manifests and the Dockerfile describe: services, containers, and the commands in them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.tracked import ROOT

DOCKER: Final = ROOT / "docker"
OVERLAYS: Final = sorted(DOCKER.glob("compose.*.yaml"))


def configured(*files: Path) -> dict[str, Any]:
    """As the Compose program understands them, every variable at its default."""
    named = [word for file in files for word in ("--file", str(file))]
    program = str(Path(sys.prefix) / "bin" / "docker-compose")
    ran = subprocess.run(
        [program, *named, "--profile", "*", "config"],
        env={"PATH": os.environ["PATH"], "HEARTH_PHONES": "3"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == "", "a variable without a value"
    loaded: dict[str, Any] = yaml.safe_load(ran.stdout)
    return loaded


@cache
def services() -> dict[str, dict[str, Any]]:
    """Of all files, ours alone: with an image of the Dockerfile."""
    found: dict[str, dict[str, Any]] = configured(DOCKER / "compose.yaml", *OVERLAYS)["services"]
    return found


@cache
def manifests() -> list[dict[str, Any]]:
    found = [yaml.safe_load_all(path.read_text()) for path in sorted((DOCKER / "kubernetes").glob("*.yaml"))]
    return [one for documents in found for one in documents if one is not None]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in manifests():
        spec = one.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield one["metadata"]["name"], template["spec"]


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in pods():
        for one in [*pod.get("initContainers", ()), *pod["containers"]]:
            yield f"{name}/{one['name']}", one


def commands() -> Iterator[tuple[str, list[str]]]:
    """The words behind ``hearth`` of every service, manifest and Dockerfile."""
    for name, service in services().items():
        if "/hearth/" not in f"/{service['image']}":
            continue
        entry, said = service.get("entrypoint") or ["start"], service.get("command") or []
        yield from _spoken(name, entry, said)
    for name, container in containers():
        if "/hearth/" in f"/{container['image']}":
            yield from _spoken(name, container.get("command", ["start"]), container.get("args", []))
    yield from _spoken("make_secrets", ["sh"], [(DOCKER / "make_secrets").read_text()])
    for words in re.findall(r"^CMD (\[.*\])$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE):
        yield "Dockerfile", yaml.safe_load(words)


def _spoken(name: str, entry: list[str], said: list[str]) -> Iterator[tuple[str, list[str]]]:
    if entry == ["start"]:
        yield name, said
    elif entry == ["one_of_many"]:
        (line,) = re.findall(r"exec start ((?:.*\\\n)*.*)", (DOCKER / "one_of_many").read_text())
        yield name, [*shlex.split(line.replace('"$@"', "")), *said]
    elif entry[0] == "sh":
        for script in said:
            counted = re.sub(r"\$+\(\([^)]*\)\)", "7", script)  # what the shell computes
            for line in re.findall(r"\bhearth ([^;)&|]*)", counted):
                yield name, shlex.split(line)
    else:
        assert entry == ["anvil_kept"]
