"""Dealing out: nothing twice, everyone gets enough, the same seed deals the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_agent.data.partition import dirichlet_partition, equal_partition, one_class_partition


@settings(deadline=None)
@given(
    kinds=st.lists(st.integers(0, 4), min_size=1, max_size=200),
    parts=st.integers(1, 12),
    alpha=st.sampled_from([0.01, 0.5, 100.0]),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_dirichlet(kinds: list[int], parts: int, alpha: float, seed: int, data: st.DataObject) -> None:
    labels = np.array(kinds, dtype=np.uint8)
    minimum = data.draw(st.integers(0, len(labels) // parts))
    dealt = dirichlet_partition(labels, parts, alpha, seed, minimum)
    assert len(dealt) == parts
    assert min(len(part) for part in dealt) >= minimum
    assert sorted(np.concatenate(dealt).tolist()) == list(range(len(labels)))
    again = dirichlet_partition(labels, parts, alpha, seed, minimum)
    assert [part.tolist() for part in again] == [part.tolist() for part in dealt]


def test_a_small_alpha_is_uneven_and_a_large_one_even() -> None:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 200)
    shares = {}
    for alpha in (0.1, 1000.0):
        dealt = dirichlet_partition(labels, 10, alpha, 1, 1)
        shares[alpha] = np.mean([np.bincount(labels[part], minlength=10).max() / len(part) for part in dealt])
    assert shares[0.1] > 0.4
    assert shares[1000.0] < 0.15


def test_another_seed_deals_otherwise() -> None:
    labels = np.repeat(np.arange(10, dtype=np.uint8), 20)
    first, second = (dirichlet_partition(labels, 4, 0.5, seed, 1) for seed in (1, 2))
    assert [part.tolist() for part in first] != [part.tolist() for part in second]


@given(parts=st.integers(1, 10), size=st.integers(1, 20), extra=st.integers(0, 30), seed=st.integers(0, 2**32))
def test_equal(parts: int, size: int, extra: int, seed: int) -> None:
    count = parts * size + extra
    dealt = equal_partition(count, parts, size, seed)
    assert [len(part) for part in dealt] == [size] * parts
    together = np.concatenate(dealt)
    assert len(np.unique(together)) == parts * size
    assert together.max() < count
    assert [part.tolist() for part in equal_partition(count, parts, size, seed)] == [part.tolist() for part in dealt]


@pytest.mark.parametrize("parts", [3, 5, 12])
def test_one_class_for_each(parts: int) -> None:
    labels = np.repeat(np.arange(5, dtype=np.uint8), 40)
    dealt = one_class_partition(labels, parts, 1)
    assert [set(labels[part].tolist()) for part in dealt] == [{part % 5} for part in range(parts)]
    together = np.concatenate(dealt)
    assert len(np.unique(together)) == len(together) == 40 * min(parts, 5), (
        "nothing twice, all of a class that is dealt"
    )
    assert {len(part) for part in one_class_partition(labels, 10, 1)} == {20}, "even"
    assert [part.tolist() for part in one_class_partition(labels, parts, 1)] == [part.tolist() for part in dealt]
    other = [part.tolist() for part in one_class_partition(labels, parts, 2)]
    assert (other == [part.tolist() for part in dealt]) is (parts <= 5), "the seed deals where classes are shared"


def test_too_few() -> None:
    with pytest.raises(ValueError, match="class 1 cannot give"):
        one_class_partition(np.array([0, 0, 0, 1]), 4, 1)
    with pytest.raises(ValueError, match="cannot give"):
        dirichlet_partition(np.zeros(9, dtype=np.uint8), 5, 0.5, 1, 2)
    with pytest.raises(ValueError, match="cannot give"):
        equal_partition(9, 5, 2, 1)
