"""Moments of one release: exact, upper bounds between the knots of their table, and never an unexplained number."""

from __future__ import annotations

from fractions import Fraction
from math import comb, exp, log, pi, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.privacy.moments import (
    LAMBDAS,
    Cost,
    Release,
    between_knots,
    epsilons,
    interpolated,
    left,
    right,
)
from protocol.messages.learning import MICRO
from protocol.privacy.figure import Definition
from protocol.privacy.port import NoPrivacyError, SampledGaussian
from protocol.privacy.renyi import ORDERS, Renyi, step_cost

Reals = npt.NDArray[np.float64]
RATES = [0.001, 0.01, 0.1, 0.5, 1.0]
SQUARES = np.array([1e-12, 1e-3, 0.2, 1.0, 4.0])


def _one(cost: Cost, rate: float, squared: float, order: int) -> float:
    return float(cost(rate, np.array([squared]), np.array([order]))[0, 0])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sigma", [0.5, 2.04, 28.28])
def test_at_the_bound_they_are_those_of_the_classical_accountant(rate: float, sigma: float) -> None:
    lambdas = np.array(ORDERS) - 1
    expected = [order * step_cost(rate, sigma, order + 1) for order in lambdas.tolist()]
    assert left(rate, np.array([sigma**-2]), lambdas)[0] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("rate", [Fraction(1, 1000), Fraction(1, 10), Fraction(1, 2)])
@pytest.mark.parametrize("squared", [1e-9, 0.01, 1.0])
def test_the_smallest_moments_keep_their_digits(rate: Fraction, squared: float) -> None:
    """To first order in the square: rate^2 lambda (lambda + 1) / 2 and rate (1 + ...) of the other."""
    for order in (1, 7, 32):
        for cost, number, sign in ((left, order + 1, -1), (right, order, 1)):
            chances = [float(comb(number, k) * rate**k * (1 - rate) ** (number - k)) for k in range(number + 1)]
            excess = [p * np.expm1((k * k + sign * k) * squared / 2) for k, p in enumerate(chances)]
            assert _one(cost, float(rate), squared, order) == pytest.approx(np.log1p(sum(excess)), rel=1e-11)


def test_the_other_side_is_loose_the_more_so_the_smaller_the_rate() -> None:
    assert 10_000 * _one(right, 64 / 60_000, 1.0, 8) == pytest.approx(150.7, abs=0.05)
    assert _one(right, 0.01, 1.0, 8) == pytest.approx(0.5957, abs=5e-5)


@pytest.mark.parametrize(("rate", "sigma", "order"), [(0.01, 1.0, 8), (0.1, 2.0, 8), (0.5, 3.0, 16), (0.1, 0.8, 3)])
def test_one_side_bounds_both_directions(rate: float, sigma: float, order: int) -> None:
    """By integration: with the contribution against without is exact, and the other way round is less."""
    places = np.linspace(-40.0 * sigma, 40.0 * sigma + order + 1, 400_001)
    without = np.exp(-0.5 * (places / sigma) ** 2) / (sigma * sqrt(2.0 * pi))
    ratio = 1.0 - rate + rate * np.exp((2.0 * places - 1.0) / (2.0 * sigma**2))
    width = places[1] - places[0]
    added = log(float((without * ratio ** (order + 1)).sum() * width))
    removed = log(float((without * ratio ** (-float(order))).sum() * width))
    found = _one(left, rate, sigma**-2, order)
    assert found == pytest.approx(added, rel=1e-9)
    assert removed < found
    assert found < _one(right, rate, sigma**-2, order)


@pytest.mark.parametrize("rate", RATES)
def test_the_paper_bound_on_the_other_direction_is_never_less(rate: float) -> None:
    assert np.all(right(rate, SQUARES) >= left(rate, SQUARES) * (1.0 - 1e-13))


@pytest.mark.parametrize("cost", [left, right])
@pytest.mark.parametrize("rate", RATES)
def test_nothing_costs_nothing_and_more_costs_more(cost: Cost, rate: float) -> None:
    found = cost(rate, np.array([0.0, *SQUARES]), LAMBDAS)
    assert np.all(found[0] == 0.0) and np.all(np.isfinite(found))
    assert np.all(np.diff(found, axis=0) > 0.0) and np.all(np.diff(found, axis=1)[1:] > 0.0)


@pytest.mark.parametrize("cost", [left, right])
@pytest.mark.parametrize(("rate", "sigma"), [(0.001, 0.8), (0.1, 28.28), (0.5, 0.35), (1.0, 2.04)])
def test_between_the_knots_the_table_is_an_upper_bound(cost: Cost, rate: float, sigma: float) -> None:
    lengths = np.concatenate([np.random.default_rng(0).uniform(size=25), [0.0, 1.0, 0.25, 1e-12, 1.0 - 1e-12]])
    exact = cost(rate, np.square(lengths / sigma), LAMBDAS)
    assert np.all(interpolated(cost, Release(rate, 1.0, sigma), lengths) >= exact * (1.0 - 1e-12))


@pytest.mark.parametrize(("rate", "sigma", "steps"), [(0.1, 28.28, 200), (0.01, 1.24, 400)])
def test_and_a_close_one_at_the_orders_that_decide(rate: float, sigma: float, steps: int) -> None:
    lengths = np.linspace(0.1, 1.0, 31)
    exact = left(rate, np.square(lengths / sigma))
    best = int(np.argmin(epsilons(steps * exact[-1], LAMBDAS, log(1e-10), Definition.WEAK)))
    found = interpolated(left, Release(rate, 1.0, sigma), lengths)
    assert found[:, : best + 1] == pytest.approx(exact[:, : best + 1], rel=1e-3)
    assert found[-1] == pytest.approx(exact[-1], rel=1e-12)


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=30))
@settings(max_examples=50)
def test_the_weights_of_two_knots_make_the_square(drawn: list[float]) -> None:
    lengths = np.array(drawn)
    lower, upper_share = between_knots(lengths, 3.0)
    squares = np.square(np.arange(129) * 3.0 / 128)
    assert np.all((upper_share >= 0.0) & (upper_share <= 1.0))
    met = (1.0 - upper_share) * squares[lower] + upper_share * squares[lower + 1]
    assert met == pytest.approx(np.square(lengths), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("steps", [1, 200])
def test_conversion_is_that_of_the_classical_accountant(steps: int) -> None:
    lambdas = np.array(ORDERS) - 1
    costs = steps * left(0.1, np.array([1 / 64]), lambdas)[0]
    tight, plain = (epsilons(costs, lambdas, log(1e-5), how).min() for how in (Definition.CLASSICAL, Definition.STRONG))
    assert tight == pytest.approx(Renyi().epsilon({SampledGaussian(MICRO // 10, 8.0): steps}, 5), abs=2e-6)
    assert plain == pytest.approx(np.min((costs - log(1e-5)) / lambdas), rel=1e-12)
    assert plain > 1.1 * tight
    assert epsilons(costs, lambdas, log(1e-5), Definition.WEAK).min() == tight
    assert epsilons(np.zeros(1), np.array([511]), log(0.5), Definition.WEAK).min() == 0.0


@pytest.mark.parametrize(
    ("weights", "noise"),
    [((1,), 2.0), ((8,), 2.0), ((1,) * 9, 6.0), ((7,) * 9, 6.0), ((4, 3), 2.5), ((1000, 1, 1), 2.000002)],
)
def test_the_noise_that_counts_is_that_of_a_weighted_sum_for_who_weighs_most(
    weights: tuple[int, ...], noise: float
) -> None:
    assert Release(0.1, 1.0, 2.0, weights).noise == pytest.approx(noise, rel=1e-9)
    assert Release(0.1, 1.0, 2.0, weights).largest == pytest.approx(noise**-2, rel=1e-9)


def test_what_is_no_release() -> None:
    with pytest.raises(NoPrivacyError):
        Release(0.1, 1.0, 0.0)
    for rate, bound in ((0.0, 1.0), (1.5, 1.0), (0.1, 0.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="sampling rate"):
            Release(rate, bound, 1.0)
    for weights in ((), (1, 0)):
        with pytest.raises(ValueError, match="weight"):
            Release(0.1, 1.0, 1.0, weights)
    for length in (1.0 + 1e-9, -1e-9, float("nan")):
        with pytest.raises(ValueError, match="longer"):
            Release(0.1, 1.0, 1.0).squared(np.array([0.5, length]))


def test_only_lengths_in_deviations_of_the_noise_matter() -> None:
    lengths = np.linspace(0.0, 1.0, 7)
    one, other = Release(0.1, 1.0, 3.0).squared(lengths), Release(0.1, 0.1, 0.3).squared(lengths / 10)
    assert one == pytest.approx(other, rel=1e-12)
    assert exp(_one(left, 1.0, float(one[-1]), 1)) == pytest.approx(exp(1 / 9))
