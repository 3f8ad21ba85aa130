"""The rule ``alignment``, for similar data: how far a client's history points where the others' point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from protocol.screening.arithmetic import Integers
from protocol.screening.krum import lower_median

SCALE: Final = 2**12  # of scores; inner products are below 2^47 in size, so 64 bits hold them
LEAST: Final = 3  # clients; fewer have no median that one of them does not make


def alignments(gram: Integers, counts: Sequence[int]) -> list[int] | None:
    """s_i: lower median over the others j of floor(2^12 G_ij / (c_i c_j)); None for fewer than three clients.

    Off the diagonal alone: the noise of two clients is independent, so that it adds nothing in the mean.
    """
    n = len(gram)
    if n < LEAST:
        return None
    held = np.array(counts, np.int64)
    scaled = gram * SCALE // np.outer(held, held)  # floors, towards minus infinity
    others = scaled[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    medians: list[int] = np.sort(others, axis=1)[:, (n - 2) // 2].tolist()
    return medians


def alignment(scores: Sequence[int] | None) -> frozenset[int] | None:
    """Who is out: below half the lower median of the scores. None: no statement, where that median is not positive,
    which is so where clients' data differ too much for this rule."""
    middle = lower_median(list(scores)) if scores else 0
    if scores is None or middle <= 0:
        return None
    return frozenset(i for i, score in enumerate(scores) if 2 * score < middle)
