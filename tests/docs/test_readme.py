"""The README's links, commands and scripts exist."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts.cli import app

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
LINKS = sorted(set(re.findall(r"\]\(([^)#:]+)\)", README)))
COMMANDS = sorted(set(re.findall(r"`hearth ([a-z |]+?)`", README)))


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist(command: str) -> None:
    *group, last = command.split()
    for choice in last.split("|"):
        answer = CliRunner().invoke(app, [*group, choice, "--help"])
        assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize("script", ["scripts/demo", "scripts/test", "scripts/deploy"])
def test_the_shell_commands_are_executable(script: str) -> None:
    assert f"./{script}" in README
    assert os.access(ROOT / script, os.X_OK)


def test_there_is_something_to_check() -> None:
    assert len(LINKS) >= 6
    assert len(COMMANDS) >= 6
