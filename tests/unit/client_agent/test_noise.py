"""Rounded Gaussian noise: the probabilities of integers are those of the ideal, to 128 bits, far out as well."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import exp, pi, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.privacy.noise import LARGEST_STD, MARGIN, NORMAL, _exact, exceeding, quantile, rounded_gaussian
from protocol.messages.learning import MICRO
from protocol.randomness import SeededRandomness

COUNT = 400_000
STD = Fraction(7, 2)
SAMPLE = rounded_gaussian(STD, COUNT, SeededRandomness(b"noise").draw, "noise")
DIGITS = Decimal(10) ** -50


class Given:
    """Upper and lower halves that a test chose; which of them were asked for."""

    def __init__(self, upper: list[int], lower: int) -> None:
        self._halves = {"upper": upper, "lower": [lower] * len(upper)}
        self.asked: list[tuple[str, int]] = []

    def draw(self, purpose: str, size: int) -> bytes:
        kind = purpose.rpartition("/")[2]
        self.asked.append((kind, size))
        return np.array(self._halves[kind][: size // 8], dtype="<u8").tobytes()


def edges_below(place: int, std: Fraction) -> int:
    """By the definition: edges 1/2, 3/2, ... with a smaller chance of being exceeded than none at ``place``/2^128."""
    size = 0
    while Fraction(exceeding(Fraction(2 * size + 1, 2) / std)) > Fraction(2 * place + 1, 2**129):
        size += 1
    return size


def test_moments() -> None:
    error, variance = float(STD) / sqrt(COUNT), float(STD) ** 2 + 1 / 12
    assert abs(SAMPLE.mean()) < 4 * error
    assert SAMPLE.var() == pytest.approx(variance, rel=4 * sqrt(2 / COUNT))
    assert abs((SAMPLE.astype(float) ** 3).mean()) < 4 * sqrt(15) * float(STD) ** 3 / sqrt(COUNT)


def test_every_integer_is_as_frequent_as_it_should_be() -> None:
    law = NormalDist(0, float(STD))
    values = range(-9, 10)
    expected = np.array([COUNT * (law.cdf(value + 0.5) - law.cdf(value - 0.5)) for value in values])
    counts = np.array([np.count_nonzero(value == SAMPLE) for value in values])
    assert abs(((counts - expected) ** 2 / expected).sum() - len(values)) < 4 * sqrt(2 * len(values))


@pytest.mark.parametrize("std", [Fraction(1, 3), Fraction(1), Fraction(9, 2)])
def test_the_places_of_a_small_table_are_shared_out_exactly(std: Fraction) -> None:
    """The integer k gets the places between its two edges: at each edge the neighbours on both sides are compared."""
    for size in range(4):
        edge = int(Fraction(exceeding(Fraction(2 * size + 1, 2) / std)) * 2**128)
        for place, expected in ((edge - 2, size + 1), (edge + 2, size)):
            upper = place >> 64 << 1
            halves = Given([upper, upper | 1], place & 2**64 - 1)
            assert rounded_gaussian(std, 2, halves.draw, "edge").tolist() == [expected, -expected]
            assert halves.asked == [("upper", 16), ("lower", 16)]


@given(upper=st.integers(0, 2**64 - 1), lower=st.integers(0, 2**64 - 1), numerator=st.integers(1, 400))
def test_float64_and_integers_agree(upper: int, lower: int, numerator: int) -> None:
    std = Fraction(numerator, 40)
    (found,) = rounded_gaussian(std, 1, Given([upper], lower).draw, "one")
    assert abs(found) == edges_below((upper >> 1) << 64 | lower, std)
    assert found == 0 or (found < 0) == bool(upper & 1)


@given(
    upper=st.integers(0, 2**64 - 1),
    lower=st.integers(0, 2**64 - 1),
    numerator=st.integers(1, 400),
    shift=st.integers(-3 * MICRO, 3 * MICRO),
)
def test_a_shift_moves_the_edges_and_nothing_else(upper: int, lower: int, numerator: int, shift: int) -> None:
    std, places = Fraction(numerator, 40), np.array([shift, shift % MICRO, shift - 7 * MICRO])
    halves = Given([upper] * 3, lower)
    found, rest, further = rounded_gaussian(std, 3, halves.draw, "one", places).tolist()
    assert (rest, further) == (found + shift // MICRO, found + 7)
    exact = _exact(NORMAL, std, (upper >> 1) << 64 | lower, bool(upper & 1), Fraction(shift, MICRO))
    assert found == exact


@pytest.mark.parametrize("std", [Fraction(1, 3), Fraction(9, 2)])
@pytest.mark.parametrize("shift_micro", [1, 250_000, 500_000, 999_999, -300_000])
def test_the_places_of_a_shifted_table_are_shared_out_exactly(std: Fraction, shift_micro: int) -> None:
    """k gets what is between k - 1/2 + shift and k + 1/2 + shift: on both sides of zero, at neighbours of each edge."""
    for size in range(-4, 5):
        edge = size + Fraction(1, 2) + Fraction(shift_micro, MICRO)
        place = int(Fraction(exceeding(abs(edge) / std)) * 2**128)
        if edge == 0 or place < 2:
            continue  # no draw is so near, or so far out
        for beside, beyond in ((place - 2, True), (place + 2, False)):
            halves = Given([beside >> 64 << 1 | (edge < 0)], beside & 2**64 - 1)
            (found,) = rounded_gaussian(std, 1, halves.draw, "edge", np.array([shift_micro])).tolist()
            assert found == size + (beyond == (edge > 0))


def test_a_shift_of_no_noise_is_rounded() -> None:
    shifts = np.array([0, 499_999, 500_000, 500_001, MICRO, -500_001])
    assert rounded_gaussian(Fraction(0), 6, Given([], 0).draw, "none", shifts).tolist() == [0, 0, 0, -1, -1, 1]


def test_tails_reach_beyond_what_a_double_draws() -> None:
    (found,) = rounded_gaussian(Fraction(1_000), 1, Given([0], 0).draw, "one")
    assert 13_000 < found < 13_200
    assert exceeding(Fraction(int(found), 1_000)) < Decimal(2) ** -127


def test_quantiles_are_off_by_far_less_than_is_allowed_for() -> None:
    chances = np.concatenate([np.linspace(0.0005, 0.5, 300), 2.0 ** -np.arange(2.0, 128.0)])
    for chance, found in zip(chances.tolist(), quantile(chances).tolist(), strict=True):
        density = exp(-(found**2) / 2) / sqrt(2 * pi)
        assert abs(float(exceeding(Fraction(found)) - Decimal(chance))) / density < MARGIN / 100


def test_the_chance_of_more_against_known_digits() -> None:
    assert abs(exceeding(Fraction(0)) - Decimal("0.5")) < DIGITS
    known = Decimal("0.15865525393145705141476745436796207752208703327339560901260527")  # of one standard deviation
    assert abs(exceeding(Fraction(1)) - known) < DIGITS
    assert float(exceeding(Fraction(6))) == pytest.approx(NormalDist().cdf(-6), rel=1e-9)


def test_without_a_spread_there_is_no_noise_and_nothing_is_drawn() -> None:
    halves = Given([], 0)
    assert rounded_gaussian(Fraction(0), 3, halves.draw, "none").tolist() == [0, 0, 0]
    assert not halves.asked


@pytest.mark.parametrize("std", [Fraction(-1), Fraction(LARGEST_STD + 1)])
def test_a_spread_out_of_range(std: Fraction) -> None:
    with pytest.raises(ValueError, match="standard deviation"):
        rounded_gaussian(std, 1, SeededRandomness(b"").draw, "none")
