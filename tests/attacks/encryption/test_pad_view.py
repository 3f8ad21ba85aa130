"""PAD/1's proof (``encryption.md`` 7.1), checked exhaustively modulo 7: a coalition's view depends on the sum alone.

Committee 2 of 3, authority 1 corrupt: of each client it lacks only the stream of the subset {1}. Its view of one
coordinate is every ciphertext and every authority's answer for the surviving set; no two coordinates share a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from tests.oracles.pad import sharing_value

P, WEIGHTS = 7, (1, 3, 5)
CLIENTS = range(3)


def views(known: npt.NDArray[np.int64], values: Sequence[int], sets: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    """Every view of one coordinate, sorted, as numbers: over all streams that the coalition lacks.

    ``known``: the streams of the subsets {2} and {3} for each client. ``sets``: those for which a key is issued.
    """
    unknown = np.array(list(product(range(P), repeat=3)))  # (343, clients)
    streams = {1: unknown} | {b: np.broadcast_to(known[:, b - 2], unknown.shape) for b in (2, 3)}
    pads = sum(sharing_value((b,), 0) * streams[b] for b in (1, 2, 3))
    seen = (np.array(values) + pads) % P
    columns = [seen[:, i] for i in CLIENTS]
    for chosen in sets:
        for j in (1, 2, 3):
            shares = sum(sharing_value((b,), j) * streams[b] for b in (1, 2, 3) if b != j)
            columns.append(sum(WEIGHTS[i] * np.asarray(shares)[:, i] for i in chosen) % P)
    numbers = np.zeros(len(unknown), np.int64)
    for column in columns:
        numbers = numbers * P + column
    return np.sort(numbers)


def distinct_views_by_sum(sets: Sequence[Sequence[int]], of: Sequence[int]) -> list[int]:
    """For each value of the sum over ``of``: how many different distributions of views its inputs give."""
    rng = np.random.default_rng(9)
    found: dict[tuple[int, ...], set[bytes]] = {}
    for trial in range(6):
        known = rng.integers(0, P, (3, 2))
        for values in product(range(P), repeat=3):
            total = sum(WEIGHTS[i] * values[i] for i in of) % P
            found.setdefault((trial, total), set()).add(views(known, values, sets).tobytes())
    return [len(distributions) for distributions in found.values()]


def test_the_view_follows_from_the_sum_for_every_surviving_set() -> None:
    """For every set the ciphertexts of all and the key have one joint distribution, so the set may depend on them."""
    for size in (2, 3):
        for chosen in combinations(CLIENTS, size):
            assert set(distinct_views_by_sum([chosen], chosen)) == {1}


def test_a_second_key_under_the_label_says_more() -> None:
    """Keys for a set and for a smaller one: given the first sum, the view still tells inputs apart."""
    assert max(distinct_views_by_sum([(0, 1, 2), (0, 1)], (0, 1, 2))) == P
