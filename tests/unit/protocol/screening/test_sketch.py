"""The sketch: its bytes, that it is linear and exact, and what it keeps of lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import EncryptionError
from protocol.identifiers import sha256
from protocol.screening.beacon import beacon, beacon_block, commitments_root
from protocol.screening.sketch import attested_sketch, packed_sketch, sketch_of
from tests.oracles import screening as oracle

P = oracle.P
DRAWN = sha256(b"a beacon")


def test_the_beacon_names_label_root_and_block() -> None:
    label, root, block = sha256(b"1"), sha256(b"2"), sha256(b"3")
    drawn = {beacon(label, root, block), beacon(label, block, root), beacon(root, label, block)}
    assert len(drawn) == 3
    assert oracle.beacon(label, root, block) in drawn
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        beacon(label + b"\0", root, block[1:])


def test_the_root_names_every_commitment_whatever_the_order() -> None:
    a, b = (bytes([k]) * 20 for k in (1, 2))
    n, k, c, d = b"n" * 16, b"k" * 16, b"c" * 32, b"d" * 32
    roots = {
        commitments_root(committed)
        for committed in (
            {a: (n, c), b: (k, d)},
            {b: (k, d), a: (n, c)},
            {a: (k, c), b: (n, d)},
            {a: (n, d), b: (k, c)},
            {a: (n, c)},
            {},
        )
    }
    assert len(roots) == 5
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        commitments_root({a: (n, c[1:])})


def test_the_beacon_s_block_comes_after_every_commitment() -> None:
    blocks = [(7, 100), (8, 112), (9, 112), (10, 113), (11, 130)]
    assert beacon_block(blocks, 112, 0) == 10
    assert beacon_block(blocks, 112, 3) == 13
    assert beacon_block(blocks, 130, 1) is None


@settings(max_examples=25)
@given(dimension=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_sketches_are_the_oracle_s_over_integers_and_modulo_p(dimension: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sketch = sketch_of(DRAWN, dimension)
    values = rng.integers(-(2**30), 2**30, dimension)
    assert sketch.of_integers(values).tolist() == oracle.sketch(DRAWN, values.tolist())
    words, others = (rng.choice([0, 1, P - 1, P // 2, int(rng.integers(0, P))], dimension) for _ in range(2))
    expected = oracle.sketch(DRAWN, words.tolist())
    assert sketch.of_words(words.astype(np.uint64)).tolist() == [row % P for row in expected]
    difference = oracle.sketch(DRAWN, (words - others).tolist())
    found = sketch.of_difference(words.astype(np.uint64), others.astype(np.uint64))
    assert found.tolist() == [row % P for row in difference]


def test_long_vectors_of_the_largest_words_do_not_wrap() -> None:
    sketch, dimension = sketch_of(DRAWN, 70_000), 70_000
    words = np.full(dimension, 2 * (P - 1), np.uint64)
    signs = np.where(sketch.places >= 128, -1, 1)
    rows = np.zeros(512, object)
    for block in range(4):
        np.add.at(rows, 128 * block + (sketch.places[block] & 127).astype(int), signs[block].astype(object))
    assert sketch.of_words(words).tolist() == [int(row) * 2 * (P - 1) % P for row in rows]


def test_a_sparse_round_is_sketched_in_the_model_s_coordinates() -> None:
    rng = np.random.default_rng(5)
    chosen = np.sort(rng.choice(500, 60, replace=False))
    values, dense = rng.integers(-9, 9, 60), np.zeros(500, np.int64)
    dense[chosen] = values
    sketch = sketch_of(DRAWN, 500)
    assert sketch.at(chosen).of_integers(values).tolist() == sketch.of_integers(dense).tolist()


def test_norms_of_a_sketch_are_four_times_the_vector_s() -> None:
    rng = np.random.default_rng(6)
    values = rng.integers(-100, 101, 2000)
    true = int((values**2).sum())
    ratios = []
    for k in range(200):
        rows = sketch_of(sha256(b"%d" % k), 2000).of_integers(values)
        ratios.append(int((rows**2).sum()) / true / 4)
    assert abs(np.mean(ratios) - 1) < 0.02
    assert 0.04 < np.std(ratios) < 0.08


def test_what_could_wrap_or_does_not_fit_is_refused() -> None:
    sketch = sketch_of(DRAWN, 40)
    for values, code in ((np.full(40, 2**42), "E_RANGE"), (np.zeros(41, np.int64), "E_PARAMS")):
        with pytest.raises(EncryptionError, match=code):
            sketch.of_integers(values)
    for drawn, dimension in ((DRAWN[1:], 5), (DRAWN, 0)):
        with pytest.raises(EncryptionError, match="E_PARAMS"):
            sketch_of(drawn, dimension)


def test_a_sketch_is_attested_by_as_many_as_could_be_honest() -> None:
    rows = sketch_of(DRAWN, 40).of_words(np.arange(40, dtype=np.uint64))
    data, other = packed_sketch(rows), packed_sketch(rows[::-1].copy())
    assert np.array_equal(attested_sketch({2: data, 5: data}, 2), rows)
    wrong = packed_sketch(np.full(512, P, np.uint64))
    for claims in ({2: data}, {2: data, 5: other}, {2: data[1:], 5: data[1:]}, {2: wrong, 5: wrong}, {}):
        with pytest.raises(EncryptionError, match="E_SKETCH_BYTES"):
            attested_sketch(claims, 2)
