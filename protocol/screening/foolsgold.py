"""The rule ``foolsgold``, for skewed data: clients whose histories are alike lose weight (Fung et al. 2020), in fixed
point.

Cosines, pardoning and rescaling are the published ones. The logit is a table: a level is how many thresholds a client
reaches, which is the published weight times 15, rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Final

from protocol.screening.arithmetic import Integers

ONE: Final = 2**40
_LEAST_COSINE: Final = ONE // 100_000  # the published 1e-5

# 2^40 x / (1 + x) with x = exp((k - 1/2) / 15 - 1/2) - 1e-5, rounded up, for k = 1..15
THRESHOLDS: Final = (
    423_753_677_393,
    441_243_643_108,
    458_965_180_143,
    476_882_821_059,
    494_959_430_351,
    513_156_499_874,
    531_434_469_156,
    549_753_065_096,
    568_071_654_932,
    586_349_605_956,
    604_546_645_228,
    622_623_212_543,
    640_540_800_121,
    658_262_272_912,
    675_752_164_021,
)


def cosine_rows(gram: Integers, corrected: Sequence[int]) -> list[list[int]]:
    """floor(2^40 G_ij / isqrt(M_ii M_jj)), cut to ±2^40, and 0 on the diagonal. ``corrected``: M, all positive."""
    rows: list[list[int]] = gram.tolist()
    n = len(rows)
    cosines = [[0] * n for _ in range(n)]
    for i, row in enumerate(rows):
        for j in range(i + 1, n):
            cosine = (row[j] << 40) // isqrt(corrected[i] * corrected[j])
            cosines[i][j] = cosines[j][i] = max(-ONE, min(ONE, cosine))
    return cosines


def foolsgold(gram: Integers, corrected: Sequence[int]) -> list[int]:
    """A level in 0..15 for each client, from the Gram matrix of histories and its corrected diagonal."""
    cosines = cosine_rows(gram, corrected)
    nearest = [max(row) + _LEAST_COSINE for row in cosines]
    kept = []
    for row, own in zip(cosines, nearest, strict=True):
        pardoned = (
            cosine * own // other if own < other else cosine for cosine, other in zip(row, nearest, strict=True)
        )
        kept.append(min(ONE, max(0, ONE - max(pardoned))))
    largest = max(kept, default=0)
    if largest == 0:
        return [0] * len(kept)
    return [sum(kept_of * ONE // largest >= threshold for threshold in THRESHOLDS) for kept_of in kept]
