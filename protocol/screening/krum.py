"""The rule ``krum``: how far an update is from its nearest ones (Blanchard et al. 2017), without a quota."""

from __future__ import annotations

import numpy as np

from protocol.screening.arithmetic import Integers

MEDIANS = 4  # a score up to so many times the median is nobody's fault: a quota costs accuracy on skewed data


def lower_median(values: list[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]


def krum_scores(gram: Integers, suspects: int) -> list[int] | None:
    """Sum of the n - f - 2 smallest D_ij = G_ii + G_jj - 2 G_ij for each client; None where that is none at all.

    ``gram``: of the clients that are compared, shape (n, n), below 2^47 in size; ``suspects``: f.
    """
    n = len(gram)
    nearest = n - suspects - 2
    if nearest < 1:
        return None
    diagonal = gram.diagonal()
    distances = diagonal[:, None] + diagonal[None, :] - 2 * gram
    others = distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    scores: list[int] = np.sort(others, axis=1)[:, :nearest].sum(axis=1).tolist()
    return scores


def krum(gram: Integers, suspects: int) -> frozenset[int] | None:
    """Who is out: at most ``suspects`` clients, those with the largest scores, and only above four times the lower
    median. None: no statement, on too few clients. Equal scores: the first client stays."""
    scores = krum_scores(gram, suspects)
    if scores is None:
        return None
    limit = MEDIANS * lower_median(scores)
    ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], -i))
    return frozenset(i for i in ranked[:suspects] if scores[i] > limit)
