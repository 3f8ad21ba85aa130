"""What a corrupt authority sees of an opening, exhaustively modulo 7: with the mask it follows from what is opened.

Committee 2 of 3, authority 1 corrupt: of each client it lacks only the streams of the subset {1}, of pads and of the
mask. Its view are the sketched ciphertexts and every authority's answer.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from protocol.screening.mask import mask_coefficients
from tests.oracles.pad import sharing_value

P = 7
Integers = npt.NDArray[np.int64]


def products(rows: Integers) -> Integers:
    """``rows``: shape (n, k, ...); the upper triangle of inner products, shape (n (n + 1) / 2, ...)."""
    n = len(rows)
    return np.array([(rows[i] * rows[j]).sum(axis=0) % P for i in range(n) for j in range(i, n)])


def views(sketches: Integers, known: Integers, known_mask: Integers, masked: bool) -> Integers:
    """Every view, sorted, as numbers: over all streams that the coalition lacks.

    ``sketches``: shape (n, k). ``known``: streams of the subsets {2} and {3}, shape (2, n, k); ``known_mask``: those
    of the mask, shape (2, N).
    """
    n, k = sketches.shape
    words = n * (n + 1) // 2
    unknown = np.array(list(product(range(P), repeat=n * k + (words if masked else 0)))).T
    pads = {1: unknown[: n * k].reshape(n, k, -1), 2: known[0][..., None], 3: known[1][..., None]}
    zeros = {1: unknown[n * k :], 2: known_mask[0][:, None], 3: known_mask[1][:, None]}
    seen = (sketches[..., None] + sum(sharing_value((b,), 0) * pads[b] for b in pads)) % P
    columns = [*seen.reshape(n * k, -1)]
    for j in (1, 2, 3):
        shares = (seen - sum(sharing_value((b,), j) * pads[b] for b in pads if b != j)) % P
        answer = products(np.broadcast_to(shares, seen.shape))
        if masked:
            coefficients = mask_coefficients(3, 2, j)
            answer = answer + sum(coefficients[subset, q] * zeros[subset[0]] for subset, q in coefficients)
        columns += [*(answer % P)]
    numbers = np.zeros(unknown.shape[1], np.int64)
    for column in columns:
        numbers = numbers * P + column
    return np.sort(numbers)


def distributions_by_opening(n: int, k: int, masked: bool) -> list[int]:
    """For each value of what is opened: how many different distributions of views its sketches give."""
    rng, found = np.random.default_rng(3), dict[tuple[int, ...], set[bytes]]()
    for trial in range(2):
        known, known_mask = rng.integers(0, P, (2, n, k)), rng.integers(0, P, (2, n * (n + 1) // 2))
        for values in product(range(P), repeat=n * k):
            sketches = np.array(values).reshape(n, k)
            opening = tuple(products(sketches).tolist())
            view = views(sketches, known, known_mask, masked).tobytes()
            found.setdefault((trial, *opening), set()).add(view)
    assert max(map(len, found.values())) <= P ** (n * k)
    return [len(distributions) for distributions in found.values()]


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 2), (2, 1)])
def test_a_masked_view_follows_from_the_opening(n: int, k: int) -> None:
    assert set(distributions_by_opening(n, k, masked=True)) == {1}


@pytest.mark.parametrize(("n", "k"), [(1, 2), (2, 1)])
def test_a_view_without_the_mask_says_more(n: int, k: int) -> None:
    assert max(distributions_by_opening(n, k, masked=False)) > 1
