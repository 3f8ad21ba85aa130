"""Norm tests, Krum, alignment, contributions and free riders, each against what it is for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import EncryptionError, VerificationError
from protocol.identifiers import sha256
from protocol.screening.alignment import SCALE, alignment, alignments
from protocol.screening.contribution import (
    contribution_shares,
    copies,
    idle_by_alignment,
    idle_by_length,
    projections,
)
from protocol.screening.krum import krum, krum_scores, lower_median
from protocol.screening.norms import (
    check_diagonal,
    check_own_norm,
    corrected_norms,
    noise_energy,
    out_of_range,
    too_long_histories,
    within_norms,
)
from protocol.screening.sketch import sketch_of

B = 100


def test_norms_are_tested_block_by_block_and_together() -> None:
    most, square = 2 * B * B, B * B
    cases = {
        (square, square, square, square): True,
        (most, square, square, square): True,
        (most, square, square, square + 1): False,
        (most + 1, 0, 0, 0): False,
        (0, 0, 0, -1): False,
        (0, 0, 0, 0): True,
        (-(2**47) + 30, 2**47 - 30, 0, 0): False,
    }
    assert within_norms(np.array([x for norms in cases for x in norms]), B) == list(cases.values())


def test_a_phone_stays_below_the_bound_itself() -> None:
    check_own_norm(np.array([98, 0]), B)
    for too_long in ([98, 1], [-70, 70]):
        with pytest.raises(EncryptionError, match="E_NORM"):
            check_own_norm(np.array(too_long), B)


@settings(max_examples=40)
@given(honest=st.integers(2, 8), wrapped=st.integers(0, 2), seed=st.integers(0, 2**32))
def test_products_that_no_vectors_have_name_whoever_wrapped(honest: int, wrapped: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-50, 51, (honest + wrapped, 6))
    gram = vectors @ vectors.T
    who = rng.permutation(honest + wrapped)[: min(wrapped, honest - 1)]
    for i in who:
        keep = gram[i, i]
        gram[i] = gram[:, i] = rng.integers(2**40, 2**41, len(gram))
        gram[i, i] = keep
    assert out_of_range(gram, range(len(gram))) == frozenset(who.tolist())
    assert out_of_range(vectors @ vectors.T, range(len(gram))) == frozenset()


def test_a_pair_that_accuses_each_other_is_out_together() -> None:
    assert out_of_range(np.array([[4, 9], [9, 4]]), [0, 1]) == {0, 1}
    assert out_of_range(np.array([[4, 0, 1], [0, -1, 0], [1, 0, 4]]), [0, 1, 2]) == {1}, "a square is not negative"
    assert out_of_range(np.array([[4, 9], [9, 4]]), [1]) == frozenset()
    assert out_of_range(np.zeros((0, 0), np.int64), []) == frozenset()


def test_norms_and_gram_of_other_sketches_contradict_each_other() -> None:
    norms = np.array([1, 2, 3, 4, 5, 6, 7, 8])
    check_diagonal(np.diag([10, 26, 99]), norms)
    check_diagonal(np.diag([10 - 2**48 + 59, 26]), norms)
    with pytest.raises(VerificationError, match="E_GRAM_RANGE"):
        check_diagonal(np.diag([10, 27]), norms)


def test_noise_is_taken_out_of_lengths_down_to_a_floor() -> None:
    assert noise_energy(600, 0) == 100
    assert noise_energy(600, 2_500_000) == 1600
    assert corrected_norms([1000, 400, 30], [5, 5, 0], 30, 1_000_000) == [400, 150, 30]
    assert corrected_norms([0], [3], 0, 1_000_000) == [1]
    lengths = [4 * 9 * 25 * 3 // 2 + 11 * 3 * 8 // 2 + extra for extra in (0, 1)]
    assert too_long_histories(lengths, [3, 3], 8, 5, 500_000) == [False, True]


def test_nobody_s_history_is_too_long_for_what_a_sketch_makes_of_its_noise() -> None:
    """Updates at the clip with noise 3.5 times as long, which four c E alone would call too long one time in six."""
    rng, d, clip, sd = np.random.default_rng(6), 400, 200, 35
    noise, direction = d * sd**2, np.full(d, clip / d**0.5)
    lengths = []
    for number in range(300):
        history = np.rint(2 * direction + rng.normal(0, sd * 2**0.5, d)).astype(np.int64)
        rows = sketch_of(sha256(b"%d" % number), d).of_integers(history)
        lengths.append(int(rows @ rows))
    assert not any(too_long_histories(lengths, [2] * 300, noise, clip, 500_000))
    assert sum(own - 8 * noise > 24 * clip**2 for own in lengths) > 10
    boosted = [length + 16 * (3 * clip) ** 2 for length in lengths]
    assert sum(too_long_histories(boosted, [2] * 300, noise, clip, 500_000)) > 250


def test_krum_rejects_few_and_only_far_ones() -> None:
    rng = np.random.default_rng(3)
    near = rng.integers(-20, 21, (9, 50))
    far = np.vstack([near, near[:2] + 400])
    assert krum(far @ far.T, 2) == frozenset({9, 10})
    assert krum(far @ far.T, 1) in (frozenset({9}), frozenset({10}))
    assert krum(near @ near.T, 4) == frozenset(), "a quota would reject four"
    assert krum((near @ near.T)[:4, :4], 2) is None
    assert krum(np.zeros((0, 0), np.int64), 0) is None
    twins = np.vstack([near, near[:1] + 300, near[:1] - 300])
    products = np.zeros((11, 11), np.int64) + twins @ twins.T
    assert len(krum(products, 1) or ()) == 1


def test_equal_scores_leave_the_first_client_in() -> None:
    points = np.array([[0, 0]] * 9 + [[900, 0], [0, 900]])
    assert krum_scores(points @ points.T, 1)[9:] == [900**2 * 8] * 2  # type: ignore[index]
    assert krum(points @ points.T, 1) == frozenset({10})


def test_alignment_is_the_lower_median_off_the_diagonal() -> None:
    gram = np.array([[10**9, 8, -3, 5], [8, 10**9, 2, 7], [-3, 2, 10**9, 1], [5, 7, 1, 10**9]])
    assert alignments(gram, [1, 1, 1, 1]) == [5 * SCALE, 7 * SCALE, 1 * SCALE, 5 * SCALE]
    assert alignments(gram, [2, 1, 1, 4])[0] == -(-5 * SCALE // 8)  # type: ignore[index]
    assert alignments(gram[:2, :2], [1, 1]) is None
    largest = np.full((3, 3), 2**47 - 1)
    assert alignments(-largest, [1, 1, 1]) == [-(2**47 - 1) * SCALE] * 3
    assert lower_median([4, 1, 3, 2]) == 2 and lower_median([3, 1, 2]) == 2


def test_alignment_is_out_below_half_the_median_or_says_nothing() -> None:
    assert alignment([100, 100, 50, 49, -7]) == frozenset({4}), "the lower median is 50, and half of it 25"
    assert alignment([100, 100, 100, 49, 50]) == frozenset({3})
    for silent in (None, [], [0, 0, 5], [-1, -2, 9]):
        assert alignment(silent) is None


def test_contributions_are_parts_of_what_all_accepted_contributed() -> None:
    a, b, c = (bytes([k]) * 20 for k in (1, 2, 3))
    shares = contribution_shares([a, b, c], (), {a: 3, b: -9, c: 1}, {a: 1, b: 1, c: 1})
    assert [(s.aligned_ppm, s.projected_ppm) for s in shares] == [(750_000, 333_333), (0, 333_333), (250_000, 333_333)]
    assert contribution_shares([a], (), {}, {})[0].aligned_ppm == 0
    without = contribution_shares([a, b], {a}, {a: 3, b: 1}, {a: 3, b: 1})
    assert [(s.aligned_ppm, s.projected_ppm) for s in without] == [(0, 0), (10**6, 10**6)]
    rows = np.array([[30, 2], [2, 20]])
    assert projections(rows, [1, 3], 5) == [30 + 6 - 20, 2 + 60 - 60]


def test_a_client_s_own_noise_pays_it_nothing() -> None:
    rng, d, sd = np.random.default_rng(4), 4000, 30
    signal = rng.integers(-3, 4, d)
    updates = np.rint(signal + rng.normal(0, sd, (20, d))).astype(np.int64)
    updates[0] -= signal  # a free rider's noise
    found = projections(4 * updates @ updates.T, [1] * 20, d * sd**2)
    expected = 4 * 19 * int(signal @ signal)
    assert abs(np.mean(found[1:]) / expected - 1) < 0.2
    assert found[0] < expected // 2


def test_free_riders_are_short_or_aside_or_copies() -> None:
    assert idle_by_length([400, 400, 1, 400], [2, 2, 2, 2], 0, 50_000) == {2}
    assert idle_by_length([400, 400, 1, 400], [2, 2, 2, 2], 40, 50_000) == {2}
    assert idle_by_length([400, 400, 1, 400], [2, 2, 2, 2], 45, 50_000) == frozenset(), "lengths are mostly noise"
    assert idle_by_length([], [], 0, 50_000) == frozenset()
    assert idle_by_alignment([100, 90, 4, -4, -90, 95], 50_000) == frozenset()
    assert idle_by_alignment([100, 90, 4, -4, 95, 99, 98], 50_000) == {2, 3}
    assert idle_by_alignment(None, 50_000) == frozenset() == idle_by_alignment([-1, -1, -1], 50_000)
    step = np.array([30, -40, 0])
    vectors = np.vstack([step * 2, -step, [30, 40, 5], [0, 0, 9], step])
    assert copies(vectors @ vectors.T, 4, 0, 1, 980_000) == {0, 1}
    assert copies(vectors @ vectors.T, 4, 0, 1, 1_000_000) == {0, 1}
    assert copies((vectors @ vectors.T)[:4, :4], 4, 0, 1, 1) == frozenset()
