"""docs/incentives.md has the rule table of the code, and its sum of forgone shares."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from protocol.incentives.contribution import Progress, contribution
from protocol.incentives.reputation import Level, Mark, next_reputation
from protocol.messages.chain import DEFAULT_RULES
from protocol.messages.task import ReputationTerms, RewardTerms
from scripts.bench.crowd import prices
from scripts.bench.gas_report import read_snapshot

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "incentives.md").read_text()
TERMS = ReputationTerms(initial=2, floor=4, maximum=9, waiting_rounds=3)
BEFORE = {Level.WAITING: 2, Level.AT_FLOOR: 4, Level.ABOVE: 6}
AFTER = {"+1": lambda r: r + 1, "-1": lambda r: r - 1, "unchanged": lambda r: r}


@pytest.mark.parametrize(
    ("words", "standing"),
    [("below", Level.WAITING), ("at", Level.AT_FLOOR), ("above", Level.ABOVE)],
)
def test_the_rule_table_is_the_codes(words: str, standing: Level) -> None:
    (row,) = re.findall(rf"^\| {words} the floor \| (.+) \|$", PAGE, re.MULTILINE)
    before = BEFORE[standing]
    for cell, mark in zip(row.split(" | "), (Mark.GOOD, Mark.BAD, Mark.NONE), strict=True):
        expelled = TERMS.floor - TERMS.waiting_rounds
        after = expelled if cell == "floor - waiting_rounds" else AFTER[cell](before)
        assert next_reputation(before, TERMS, mark) == after


def test_what_a_fresh_address_forgoes() -> None:
    """Fully released rounds, all accepted: the page's bound is what they add up to."""
    assert "contribution * d * (d + 1) / (2 * maximum)" in PAGE
    rewards, progress = RewardTerms(0, 9_000, 1), Progress(0, 1, 1)
    reputation, forgone = TERMS.initial, 0
    while reputation < TERMS.maximum:
        forgone += rewards.contribution - contribution(reputation, TERMS.maximum, progress, rewards)
        reputation += 1
    d = TERMS.maximum - TERMS.initial
    assert forgone == Fraction(rewards.contribution * d * (d + 1), 2 * TERMS.maximum)


def test_what_a_crowd_costs() -> None:
    """As `hearth bench crowd` prints it, to a tenth: the page does not follow each change of the snapshot."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| ([0-9.]+) \|$", PAGE, re.MULTILINE)
    found = prices(1_000, DEFAULT_RULES, read_snapshot())
    assert [(int(row[0]), int(row[1])) for row in rows] == [(price.reputation, price.days) for price in found]
    for (_, _, millions, coins), price in zip(rows, found, strict=True):
        assert int(millions) * 10**6 == pytest.approx(price.gas, rel=0.1)
        assert float(coins) * 10**9 == pytest.approx(price.gas, rel=0.1)
