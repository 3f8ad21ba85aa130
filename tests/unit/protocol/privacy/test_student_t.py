"""Quantiles of Student's t against scipy, and by hand where scipy has none."""

from __future__ import annotations

from math import exp, sqrt
from typing import Final

import pytest
from scipy import stats

from protocol.privacy.student_t import log_tail, upper_quantile

CHANCES: Final = [0.5, 0.3, 0.01, 1e-5, 1e-10, 1e-16, 2.0**-53, 1e-20, 1e-60, 1e-150]


@pytest.mark.parametrize("freedom", [2, 3, 9, 27, 127, 499, 4_999, 54_999])
@pytest.mark.parametrize("chance", CHANCES)
def test_agrees_with_scipy(freedom: int, chance: float) -> None:
    assert upper_quantile(chance, freedom) == pytest.approx(stats.t.isf(chance, freedom), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(("freedom", "expected"), [(27, 17.7), (9, 141.6)])
def test_the_quantiles_that_decide_how_many_pairs_are_enough(freedom: int, expected: float) -> None:
    """At 1 - 1e-16 as floating point has it."""
    assert upper_quantile(1.0 - (1.0 - 1e-16), freedom) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("chance", [0.4, 1e-3, 1e-30, 1e-200, 1e-300])
def test_two_degrees_of_freedom_have_a_formula(chance: float) -> None:
    formula = (1.0 - 2.0 * chance) / sqrt(2.0 * chance * (1.0 - chance))
    assert upper_quantile(chance, 2) == pytest.approx(formula, rel=1e-12)


@pytest.mark.parametrize("freedom", [2, 30, 4_999, 1_000_000])
def test_no_more_than_the_chance_is_above(freedom: int) -> None:
    for chance in CHANCES:
        assert exp(log_tail(upper_quantile(chance, freedom), freedom)) <= chance * (1.0 + 1e-13)


@pytest.mark.parametrize(("chance", "freedom"), [(0.0, 5), (0.6, 5), (1e-301, 5), (0.1, 1), (float("nan"), 5)])
def test_what_has_no_quantile(chance: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        upper_quantile(chance, freedom)
