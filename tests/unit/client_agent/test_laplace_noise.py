"""Rounded Laplace noise: the probabilities of integers are those of the ideal, to 128 bits."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import exp, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.privacy.noise import laplace_exceeding, laplace_quantile, rounded_laplace
from protocol.randomness import SeededRandomness
from tests.unit.client_agent.test_noise import Given

COUNT = 200_000
SCALE = Fraction(5, 2)


def test_every_integer_is_as_frequent_as_it_should_be() -> None:
    sample = rounded_laplace(SCALE, COUNT, SeededRandomness(b"laplace").draw, "noise")
    tails = [exp(-(size - 0.5) / float(SCALE)) / 2 for size in range(1, 14)]
    shares = {0: 1 - 2 * tails[0]}
    for size, (this, following) in enumerate(pairwise(tails), start=1):
        shares[size] = shares[-size] = this - following
    expected = np.array([COUNT * share for share in shares.values()])
    counts = np.array([np.count_nonzero(sample == value) for value in shares])
    assert abs(((counts - expected) ** 2 / expected).sum() - len(shares)) < 4 * sqrt(2 * len(shares))


@pytest.mark.parametrize("scale", [Fraction(1, 3), Fraction(1), Fraction(9, 2)])
def test_the_places_of_a_small_table_are_shared_out_exactly(scale: Fraction) -> None:
    for size in range(4):
        edge = int(Fraction(laplace_exceeding(Fraction(2 * size + 1, 2) / scale)) * 2**128)
        for place, expected in ((edge - 2, size + 1), (edge + 2, size)):
            upper = place >> 64 << 1
            halves = Given([upper, upper | 1], place & 2**64 - 1)
            assert rounded_laplace(scale, 2, halves.draw, "edge").tolist() == [expected, -expected]


@given(upper=st.integers(0, 2**64 - 1), lower=st.integers(0, 2**64 - 1), numerator=st.integers(1, 400))
def test_float64_and_integers_agree(upper: int, lower: int, numerator: int) -> None:
    scale, place = Fraction(numerator, 40), (upper >> 1) << 64 | lower
    (found,) = rounded_laplace(scale, 1, Given([upper], lower).draw, "one")
    size, chance = abs(int(found)), Fraction(2 * place + 1, 2**129)
    assert Fraction(laplace_exceeding(Fraction(2 * size + 1, 2) / scale)) <= chance
    assert size == 0 or Fraction(laplace_exceeding(Fraction(2 * size - 1, 2) / scale)) > chance


def test_the_chance_of_more_and_its_inverse() -> None:
    assert laplace_exceeding(Fraction(0)) == Decimal("0.5")
    assert float(laplace_exceeding(Fraction(3))) == pytest.approx(exp(-3) / 2, rel=1e-15)
    assert laplace_quantile(np.array([0.5, 0.05])).tolist() == pytest.approx([0.0, -log(0.1)])
