"""Quantising, index sets and their bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import MalformedError
from protocol.messages.task import MICRO
from protocol.randomness import SeededRandomness
from protocol.sparse.codec import decode_index_set, decode_sums, encode_index_set, encode_sums
from protocol.sparse.difference import add_residual, left_over, restrict
from protocol.sparse.index_set import select
from protocol.sparse.quantization import bound, dequantise, quantise
from tests.samples import sample_spec

QUANTISER = sample_spec().learning.quantiser
LARGEST = 2**15 - 1
BOUND = QUANTISER.bound_micro / MICRO
NONE = np.zeros(0, dtype=np.uint32)


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


@given(st.integers(0, 2**32))
def test_what_is_not_sent_stays_in_the_residual(seed: int) -> None:
    generator = np.random.Generator(np.random.PCG64(seed))
    delta, residual = generator.normal(size=30) * 8, generator.normal(size=30)
    indices = np.sort(generator.choice(30, 12, replace=False)).astype(np.uint32)
    owed = add_residual(delta, residual)
    values = quantise(bound(restrict(owed, indices), QUANTISER), QUANTISER, SeededRandomness(b"r").draw("p", 8 * 12))
    kept = left_over(owed, indices, values, QUANTISER)
    sent = np.zeros(30)
    sent[indices] = dequantise(values, QUANTISER)
    assert np.allclose(sent + kept, delta + residual, atol=1e-12)


@given(
    st.integers(10, 400),
    st.integers(1, MICRO),
    st.integers(1, 50),
    st.lists(st.binary(min_size=36, max_size=36), min_size=1, max_size=6, unique=True),
    st.integers(0, 2**32),
)
def test_index_sets_have_the_right_size_and_hold_what_they_must(
    dimension: int, density: int, number: int, accepted: list[bytes], seed: int
) -> None:
    generator = np.random.Generator(np.random.PCG64(seed))
    always = np.sort(generator.choice(dimension, dimension // 20, replace=False)).astype(np.uint32)
    last_indices = np.sort(generator.choice(dimension, dimension // 2, replace=False)).astype(np.uint32)
    sums = generator.integers(-1000, 1000, len(last_indices))
    chosen = select(dimension, density, number, accepted, (last_indices, sums), always)
    size = max(-(-dimension * density // MICRO), len(always))
    assert len(chosen) == size
    assert (np.diff(chosen.astype(np.int64)) > 0).all()
    assert set(always.tolist()) <= set(chosen.tolist())
    weight = {int(i): abs(int(s)) for i, s in zip(last_indices, sums, strict=True) if i not in always}
    ranked = sorted((i for i in weight if weight[i]), key=lambda i: (-weight[i], i))
    assert set(ranked[: (size - len(always)) // 2]) <= set(chosen.tolist())
    again = select(dimension, density, number, list(reversed(accepted)), (last_indices, sums), always)
    assert np.array_equal(chosen, again)  # the order in which they arrived does not matter


def test_the_draw_depends_on_round_and_accepted_set_and_is_even() -> None:
    first = select(1_000, 250_000, 1, [b"a"], None, NONE)
    assert not np.array_equal(first, select(1_000, 250_000, 2, [b"a"], None, NONE))
    assert not np.array_equal(first, select(1_000, 250_000, 1, [b"b"], None, NONE))
    counts = np.zeros(200)
    for number in range(400):
        counts[select(200, 250_000, number, [b"a"], None, NONE)] += 1
    assert counts.mean() == 100
    assert counts.std() == pytest.approx(np.sqrt(400 * 0.25 * 0.75), rel=0.25)


@given(st.sets(st.integers(0, 999), min_size=1, max_size=200))
def test_index_sets_travel(indices: set[int]) -> None:
    array = np.array(sorted(indices), dtype=np.uint32)
    assert np.array_equal(decode_index_set(encode_index_set(array), 1_000), array)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0",
        encode_index_set(np.array([1, 1], dtype=np.uint32)),
        encode_index_set(np.array([2, 1], dtype=np.uint32)),
        encode_index_set(np.array([10], dtype=np.uint32)),
        encode_index_set(np.arange(11, dtype=np.uint32)),
    ],
)
def test_broken_index_sets_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_index_set(data, 10)


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
