"""Chromium and mosquitto come from the system's packages: root installs them, anybody else is told what waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.checks import system_tools
from scripts.checks.node_tools import ToolMissingError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only one with programs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(system_tools, "_FOLDERS", ())
    return tmp_path


def _program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return path


def _installed(programs: list[str], root: bool) -> list[list[str]]:
    ran = list[list[str]]()

    def run(command: list[str], *_: Any, **__: Any) -> None:
        ran.append(command)

    system_tools.install(programs, root, run, lambda _: None)
    return ran


def test_what_is_missing_is_named_with_what_waits_for_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert system_tools.missing() == ["chromium", "mosquitto"]
    for program, waiting in system_tools.TESTS.items():
        with pytest.raises(ToolMissingError, match=f"apt-get install {program}.*{waiting}"):
            system_tools.require(program)
    system_tools.main()
    assert [line[:13] for line in capsys.readouterr().err.splitlines()] == ["## no chromiu", "## no mosquit"]


def test_a_browser_of_another_name_will_do(folder: Path) -> None:
    expected = _program(folder, "chromium-browser")
    assert system_tools.require("chromium") == expected
    assert system_tools.missing() == ["mosquitto"]


def test_root_alone_installs_and_only_what_is_missing(folder: Path) -> None:
    _program(folder, "apt-get")
    assert _installed(["mosquitto"], False) == []
    assert _installed([], True) == []
    assert [command[1] for command in _installed(["mosquitto"], True)] == ["update", "install"]
    assert _installed(["mosquitto"], True)[1][-1] == "mosquitto"


def test_a_system_without_apt_is_left_alone(folder: Path) -> None:
    assert _installed(["mosquitto"], True) == []
