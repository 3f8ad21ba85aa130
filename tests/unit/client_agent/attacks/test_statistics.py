"""What an attack reached, and what it may reach: reference values, and intervals that hold as often as they say."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from scipy import stats

from client_agent.attacks.statistics import _student, most_right, of_both, of_rehearsals
from protocol.privacy.figure import PrivacyFigure


@pytest.mark.parametrize("freedom", [4, 9, 39])
def test_the_quantile_is_students(freedom: int) -> None:
    assert _student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=0.01)


@pytest.mark.parametrize(("epsilon", "exponent"), [(0.0, 5), (0.5, 5), (4.0, 5), (1.0, 3)])
def test_the_most_is_the_best_that_both_limits_leave(epsilon: float, exponent: int) -> None:
    """Over all rates of false guesses, with the most true ones that each allows."""
    delta, false = 10.0**-exponent, np.linspace(0.0, 1.0, 200_001)
    true = np.minimum(exp(epsilon) * false + delta, 1.0 - exp(-epsilon) * (1.0 - delta - false)).clip(max=1.0)
    figure = PrivacyFigure(round(epsilon * 1e6), exponent, "PLD/1")
    assert most_right(figure) == pytest.approx(((1.0 + true - false) / 2.0).max(), abs=1e-5)


def test_an_interval_of_rehearsals_holds_as_often_as_it_says() -> None:
    """Whose guesses go wrong together, as those of one noise do."""
    held = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        right = [generator.random(60) < 0.6 + generator.normal() * 0.1 for _ in range(8)]
        share = of_rehearsals(right)
        held += share.low <= 0.6 <= share.high
    assert 272 <= held < 300


def test_an_interval_of_both_kinds_holds_as_often_as_it_says() -> None:
    held = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        share = of_both(generator.random(100) < 0.7, generator.random(12) < 0.4)
        held += share.low <= 0.55 <= share.high
    assert 276 <= held < 300
    perfect = of_both(np.ones(30, dtype=bool), np.ones(10, dtype=bool))
    assert perfect.right == perfect.high == 1.0 and perfect.low < 0.95
