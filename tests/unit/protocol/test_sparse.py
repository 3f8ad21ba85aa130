"""Quantising, and the bytes of sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import MalformedError
from protocol.messages.learning import MICRO
from protocol.randomness import SeededRandomness
from protocol.sparse.codec import decode_sums, encode_sums
from protocol.sparse.quantization import bound, dequantise, quantise
from tests.samples import sample_spec

QUANTISER = sample_spec().learning.quantiser
LARGEST = 2**15 - 1
BOUND = QUANTISER.bound_micro / MICRO


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50), st.binary(min_size=400, max_size=400))
def test_quantising_errs_by_less_than_one_step_inside_the_bound(values: list[float], random: bytes) -> None:
    array = np.array(values)
    found = quantise(array, QUANTISER, random[: 8 * len(values)])
    assert np.abs(found).max() <= LARGEST
    inside = np.clip(array, -BOUND, BOUND)
    assert np.abs(dequantise(found, QUANTISER) - inside).max() <= BOUND / LARGEST * (1 + 1e-9)


def test_bounding_cuts_off_and_leaves_the_rest_alone() -> None:
    assert bound(np.array([-3 * BOUND, -BOUND, 0.5, 2 * BOUND]), QUANTISER).tolist() == [-BOUND, -BOUND, 0.5, BOUND]


def test_rounding_is_fair() -> None:
    step = BOUND / LARGEST
    values = np.full(40_000, 10.3 * step)
    found = quantise(values, QUANTISER, SeededRandomness(b"fair").draw("x", 8 * len(values)))
    assert set(found.tolist()) == {10, 11}
    assert found.mean() == pytest.approx(10.3, abs=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(MalformedError):
        quantise(np.array([value]), QUANTISER, bytes(8))


def test_too_little_randomness_is_refused() -> None:
    with pytest.raises(MalformedError):
        quantise(np.zeros(2), QUANTISER, bytes(15))


def test_sums_travel() -> None:
    sums = np.array([0, -1, 2**40, -(2**62)], dtype=np.int64)
    assert np.array_equal(decode_sums(encode_sums(sums), 4), sums)
    for data in (b"", encode_sums(sums)[:-1], encode_sums(sums) + b"\0"):
        with pytest.raises(MalformedError):
            decode_sums(data, 4)


def test_fewer_bits_give_a_coarser_grid() -> None:
    coarse = replace(QUANTISER, bits=4)
    values = quantise(np.array([-100.0, 100.0, 0.0]), coarse, bytes(24))
    assert values.tolist() == [-7, 7, 0]
