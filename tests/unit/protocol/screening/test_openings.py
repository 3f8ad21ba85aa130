"""Openings are exact over every quorum, and a lying authority is seen by 2 t answers and named by 2 t + 1."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.encryption.pad.encoding import MODULI
from protocol.errors import EncryptionError, MalformedError, Party
from protocol.identifiers import sha256
from protocol.screening.gram import block_norms, gram, square, triangle_words
from protocol.screening.history import History
from protocol.screening.openings import needed, opened, opening_liars
from protocol.screening.sketch import sketch_of
from tests.oracles import screening as oracle
from tests.unit.protocol.screening.screened_cohort import Cohort

P = MODULI[6]
COMMITTEES = ((3, 2), (4, 2), (5, 2), (6, 3), (7, 3))


@settings(max_examples=30)
@given(n=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_gram_and_norms_are_exact_for_the_largest_words(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ends = np.array([0, 1, P - 1, P // 2, P // 2 + 1, 2**15, 2**15 - 1, P - 2**15, 2**31, 2**47 - 1], np.uint64)
    rows = np.where(rng.random((n, 512)) < 0.5, rng.choice(ends, (n, 512)), rng.integers(0, P, (n, 512), np.uint64))
    rows[0] = ends[seed % len(ends)]
    plain = rows.tolist()
    assert gram(rows).tolist() == [word % P for word in oracle.triangle(plain)]
    assert block_norms(rows).tolist() == [word % P for word in oracle.norms(plain)]


@settings(max_examples=25)
@given(committee=st.sampled_from(COMMITTEES), n=st.integers(1, 4), d=st.integers(1, 60), seed=st.integers(0, 2**32))
def test_gram_norms_and_sums_of_history_open_exactly_over_every_quorum(
    committee: tuple[int, int], n: int, d: int, seed: int
) -> None:
    (m, t), rng = committee, np.random.default_rng(seed)
    rounds = [Cohort(m, t, rng.integers(-3000, 3001, (n, d)), sha256(b"round %d" % k)) for k in range(2)]
    cohort, drawn = rounds[0], sha256(b"beacon %d" % seed)
    sketch, members, count = sketch_of(drawn, d), range(1, m + 1), triangle_words(n)
    grams = {j: cohort.gram_answer(j, sketch) for j in members}
    norms = {j: cohort.norm_answer(j, sketch) for j in members}
    histories = {}
    for j in members:
        history = History(d, 4)
        for number, played in enumerate(rounds, 1):
            history.settle(number, {client: played.update(j, i) for i, client in enumerate(played.clients)})
        rows = history.sketched_all(sketch, 3, tuple(cohort.clients))
        histories[j] = cohort.masked(j, b"hist", gram(rows))
    plain = [oracle.sketch(drawn, v) for v in cohort.values.tolist()]
    sums = [oracle.sketch(drawn, v) for v in (rounds[0].values + rounds[1].values).tolist()]
    for quorum in combinations(members, needed(t)):
        for answers, expected in (
            (grams, oracle.triangle(plain)),
            (norms, oracle.norms(plain)),
            (histories, oracle.triangle(sums)),
        ):
            assert opened({j: answers[j] for j in quorum}, m, t, len(expected)).tolist() == expected
    matrix = square(opened(grams, m, t, count), n)
    assert (matrix == matrix.T).all() and matrix[0, -1] == oracle.triangle(plain)[n - 1]


@pytest.mark.parametrize(("m", "t"), [(5, 2), (7, 3)])
def test_a_liar_is_believed_seen_and_named_by_one_answer_more_each(m: int, t: int) -> None:
    cohort = Cohort(m, t, np.random.default_rng(2).integers(-99, 99, (3, 40)))
    sketch, count = sketch_of(sha256(b"beacon"), 40), triangle_words(3)
    answers = {j: cohort.gram_answer(j, sketch) for j in range(1, m + 1)}
    true = opened(answers, m, t, count)
    liar = 2
    answers[liar] = bytes([answers[liar][0] ^ 1]) + answers[liar][1:]
    others = [j for j in answers if j != liar]

    def with_liar(size: int) -> dict[int, bytes]:
        return {j: answers[j] for j in sorted([liar, *others[: size - 1]])}

    assert opened(with_liar(2 * t - 1), m, t, count)[0] != true[0]
    assert opening_liars(with_liar(2 * t - 1), m, t, count) == ()
    with pytest.raises(EncryptionError, match="E_SHARE_INCONSISTENT") as seen:
        opened(with_liar(2 * t), m, t, count)
    assert seen.value.fault is Party.KEY_AUTHORITY
    assert opening_liars(with_liar(2 * t), m, t, count) == ()
    assert opening_liars(with_liar(2 * t + 1), m, t, count) == (liar,)
    honest = {j: answers[j] for j in others}
    assert np.array_equal(opened(honest, m, t, count), true)
    # bytes that are no answer name their sender, too
    answers[liar] = answers[liar][:-1]
    assert opening_liars(with_liar(2 * t + 1), m, t, count) == (liar,)
    with pytest.raises(MalformedError):
        opened(with_liar(2 * t + 1), m, t, count)


def test_too_few_answers_open_nothing() -> None:
    cohort = Cohort(5, 2, np.ones((2, 5), np.int64))
    answers = {j: cohort.gram_answer(j, sketch_of(sha256(b"b"), 5)) for j in (1, 2)}
    with pytest.raises(EncryptionError, match="E_SHARES"):
        opened(answers, 5, 2, 3)
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        opened({**answers, 6: answers[1]}, 5, 2, 3)
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        gram(np.zeros((2, 511), np.uint64))
