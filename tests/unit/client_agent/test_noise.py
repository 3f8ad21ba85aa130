"""Noise from bytes: normal in its moments and tails, and finite whatever the bytes are."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.privacy.noise import BYTES_PER_VALUE, bytes_for, standard_normal
from protocol.randomness import SeededRandomness

COUNT = 400_000
SAMPLE = standard_normal(SeededRandomness(b"noise").draw("noise", bytes_for(COUNT)))


def test_moments() -> None:
    error = 1 / np.sqrt(COUNT)
    assert abs(SAMPLE.mean()) < 4 * error
    assert abs(SAMPLE.std() - 1) < 4 * error
    assert abs((SAMPLE**3).mean()) < 4 * np.sqrt(15) * error
    assert abs((SAMPLE**4).mean() - 3) < 4 * np.sqrt(96) * error


def test_a_hundred_equally_likely_intervals() -> None:
    edges = [NormalDist().inv_cdf(percent / 100) for percent in range(1, 100)]
    counts = np.bincount(np.searchsorted(edges, SAMPLE), minlength=100)
    chi_squared = ((counts - COUNT / 100) ** 2 / (COUNT / 100)).sum()
    assert abs(chi_squared - 99) < 4 * np.sqrt(2 * 99)


@pytest.mark.parametrize("bound", [1.0, 2.0, 3.0, 4.0])
def test_tails(bound: float) -> None:
    expected = COUNT * NormalDist().cdf(-bound)
    for tail in (bound < SAMPLE, -bound > SAMPLE):
        assert abs(int(tail.sum()) - expected) < 5 * np.sqrt(expected)


def test_the_two_of_a_pair_and_neighbours_are_uncorrelated() -> None:
    first, second = SAMPLE[: COUNT // 2], SAMPLE[COUNT // 2 :]
    for left, right in ((first, second), (first**2, second**2), (SAMPLE[:-1], SAMPLE[1:])):
        assert abs(np.corrcoef(left, right)[0, 1]) < 5 / np.sqrt(len(left))


@pytest.mark.parametrize("pattern", [b"\x00", b"\xff", b"\x00" * 8 + b"\xff" * 8, b"\xff" * 8 + b"\x00" * 8])
def test_extreme_bytes_give_finite_numbers(pattern: bytes) -> None:
    values = standard_normal((pattern * 16)[:16])
    assert len(values) == 2
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 8.7


@given(st.binary(min_size=16, max_size=160))
def test_any_bytes_give_finite_numbers(random: bytes) -> None:
    random = random[: len(random) // 16 * 16]
    values = standard_normal(random)
    assert len(values) == len(random) // BYTES_PER_VALUE
    assert np.isfinite(values).all()


@given(st.integers(0, 1000))
def test_enough_bytes(count: int) -> None:
    assert bytes_for(count) % 16 == 0
    assert count <= len(standard_normal(bytes(bytes_for(count)))) <= count + 1
