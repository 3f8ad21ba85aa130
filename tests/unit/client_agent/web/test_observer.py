"""The odds of the worst observer, as the definition of differential privacy gives them."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.web.observer import Strength, odds, strength
from protocol.privacy.figure import PrivacyFigure

FIGURE = PrivacyFigure(1_000_000, 5, "PLD/1")


@pytest.mark.parametrize(
    ("micro", "before", "after"),
    [(0, 50, 50), (1_000_000, 50, 73), (4_000_000, 50, 98), (50_000_000, 50, 99), (2_000_000, 1, 7)],
)
def test_of_a_hundred(micro: int, before: int, after: int) -> None:
    found = odds(replace(FIGURE, epsilon_micro=micro), before / 100)
    assert (found.before_of_100, found.after_of_100) == (before, after)


@given(st.integers(0, 20_000_000), st.floats(0.001, 0.999))
def test_the_odds_grow_by_the_exponential_and_no_more(micro: int, before: float) -> None:
    after = odds(replace(FIGURE, epsilon_micro=micro), before).after
    assert before <= after + 1e-12 and after < 1
    assert after / (1 - after) == pytest.approx(exp(micro / 1e6) * before / (1 - before), rel=1e-6)


def test_words() -> None:
    words = [strength(replace(FIGURE, epsilon_micro=micro)) for micro in (100_000, 1_000_000, 2_900_000, 3_000_000)]
    assert words == [Strength.STRONG, Strength.GOOD, Strength.FAIR, Strength.WEAK]
    assert strength(None) is Strength.NONE and odds(None, 0.5).after == 1.0
