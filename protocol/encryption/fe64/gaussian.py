"""Exact discrete Gaussian noise: e = x1 + 20 x2, x1 and x2 from D_{Z,82} by inversion (``encryption.md`` 3.3)."""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal, localcontext
from functools import cache
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64.ring import DEGREE
from protocol.encryption.streams import ctr_stream

SIGMA: Final = 82
GAUSSIAN_LIMIT: Final = 1100  # the mass beyond is below 2^-128
SPREAD: Final = 20  # e = x1 + 20 x2

_SAMPLE_BYTES: Final = 16  # one AES block, a uniform 128-bit number, per sample
_SAMPLES_PER_BLOCK: Final = 2 * DEGREE


def noise_block(key: bytes, t: int) -> npt.NDArray[np.int64]:
    """e_t, shape (4096,): x1 + 20 x2 with both from D_{Z,82}; standard deviation 1642.05."""
    stream = ctr_stream(key, _SAMPLES_PER_BLOCK * _SAMPLE_BYTES, t * _SAMPLES_PER_BLOCK * _SAMPLE_BYTES)
    x1, x2 = gaussian(np.frombuffer(stream, ">u8").reshape(-1, 2)).reshape(2, DEGREE)
    return x1 + SPREAD * x2


def gaussian(uniform: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """D_{Z,82} by inversion of :func:`gaussian_table`, from uniform 128-bit numbers in rows of (high, low) 64 bits.

    The high half decides except when it equals that of a threshold (2^-53 per sample): then all 128 bits do.
    """
    thresholds = gaussian_table()
    high_thresholds = _high_halves()
    high = uniform[:, 0].astype(np.uint64)
    found = np.searchsorted(high_thresholds, high, side="right")
    for i in np.flatnonzero(high_thresholds[np.maximum(found, 1) - 1] == high):
        found[i] = bisect_right(thresholds, (int(high[i]) << 64) | int(uniform[i, 1]))
    return found.astype(np.int64) - GAUSSIAN_LIMIT


@cache
def gaussian_table() -> tuple[int, ...]:
    """floor(2^128 P(X <= x)) for x = -1100..1099, X ~ D_{Z,82}: how many of them are at most u gives the sample + 1100.

    80 decimal digits make each threshold exact up to its rounding, so a probability is off by at most 2^-128, and the
    distribution, cut tails included, by less than 2200 * 2^-128 < 2^-116 in statistical distance.
    """
    with localcontext() as context:
        context.prec = 80
        masses = [(Decimal(-x * x) / (2 * SIGMA * SIGMA)).exp() for x in range(-GAUSSIAN_LIMIT, GAUSSIAN_LIMIT + 1)]
        total = sum(masses)
        return tuple(int(partial / total * (1 << 128)) for partial in accumulate(masses[:-1]))


@cache
def _high_halves() -> npt.NDArray[np.uint64]:
    return np.array([threshold >> 64 for threshold in gaussian_table()], np.uint64)
