"""What docs/command-line.md promises to scripts: the codes and the variables that there are, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from scripts.commands.outcome import Outcome
from tests.unit.scripts import torture

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text()


def test_the_exit_codes() -> None:
    listed = re.findall(r"^\| (\d+) \| (\w+) \|", PAGE, re.MULTILINE)
    assert listed == [(str(int(one)), one.name.lower()) for one in Outcome]


def test_the_variables_in_place_of_options() -> None:
    listed = dict(re.findall(r"^\| `(HEARTH_\w+)` \| `(--[\w-]+)`", PAGE, re.MULTILINE))
    parameters = [one for command in torture.commands() for one in command.parameters if one.envvar is not None]
    assert listed == {one.envvar: one.opts[0] for one in parameters}
