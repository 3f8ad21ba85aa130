"""docs/privacy.md says what the code says: its table, its kinds, its numbers."""

from __future__ import annotations

import re
from pathlib import Path

from protocol.privacy.mechanisms import KINDS
from protocol.privacy.port import RESERVE
from protocol.task.private_terms import FEW, OF_A_DRAW, TASKS
from scripts.evaluate.mechanism_costs import CASES, figures, lines

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "privacy.md").read_text()
WORDS = " ".join(PAGE.split())


def test_the_table_is_what_the_command_prints() -> None:
    assert "\n".join(lines()) in PAGE
    _, changes, bayesian, accountant = CASES[0]
    (figure,) = figures(changes, bayesian, accountant)
    assert f"\n> {figure}\n" in PAGE


def test_every_mechanism_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(KINDS)


def test_the_numbers_of_the_accountants() -> None:
    assert (RESERVE, TASKS, OF_A_DRAW) == (1e-6, 16, 2.0**-124)
    for words in ("a millionth of delta", "a sixteenth of it", "times 2^-124 for each step of the grid"):
        assert words in WORDS
    assert f"Fewer than {FEW} held-out examples" in WORDS
