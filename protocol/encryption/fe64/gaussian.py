"""Exact discrete Gaussian noise: e = x1 + 20 x2, both from D_{Z,82} by the alias method (``encryption.md`` 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64.ring import DEGREE
from protocol.errors import EncryptionError
from protocol.streams import ctr_stream

SIGMA: Final = 82
GAUSSIAN_LIMIT: Final = 1100  # the mass beyond is below 2^-128
SPREAD: Final = 20  # e = x1 + 20 x2

BINS: Final = 2048
_BIN_BITS: Final = 116  # a bin holds 2^116 of 2^127: 20 bits decide unless they are equal, then 96 more do
_TIE_BITS: Final = 96
_TIE_WORDS: Final = 3
_TIES: Final = 16  # expected: one in 128 blocks
_WORDS: Final = 2 * DEGREE
NOISE_STREAM_BYTES: Final = 4 * (_WORDS + _TIE_WORDS * _TIES)


def noise_block(key: bytes, t: int) -> npt.NDArray[np.int64]:
    """e_t, shape (4096,): x1 + 20 x2 with both from D_{Z,82}; standard deviation 1642.05."""
    words = np.frombuffer(ctr_stream(key, NOISE_STREAM_BYTES, NOISE_STREAM_BYTES * t), "<u4")
    x1, x2 = gaussian(words[:_WORDS], words[_WORDS:]).reshape(2, DEGREE)
    return x1 + SPREAD * x2


def gaussian(words: npt.NDArray[np.uint32], ties: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """D_{Z,82}, one sample from each uniform word: its sign (1 bit), the threshold's part (20), the bin (11).

    A sample whose 20 bits equal its bin's takes the next 96 bits of ``ties``. Raises EncryptionError ``E_SAMPLER`` when
    they run out (below 2^-150 for uniform words).
    """
    thresholds, aliases = alias_table()
    tops = np.array([threshold >> _TIE_BITS for threshold in thresholds], np.int64)
    bins, parts = (
        (words >> np.uint32(21)).astype(np.int64),
        (words >> np.uint32(1) & np.uint32(0xFFFFF)).astype(np.int64),
    )
    own = parts < tops[bins]
    for taken, i in enumerate(np.flatnonzero(parts == tops[bins])):
        if taken == len(ties) // _TIE_WORDS:
            raise EncryptionError("the Gaussian sampler ran out of words for ties", code="E_SAMPLER")
        below = int.from_bytes(ties[_TIE_WORDS * taken : _TIE_WORDS * (taken + 1)].astype("<u4").tobytes(), "little")
        own[i] = (int(parts[i]) << _TIE_BITS) + below < thresholds[bins[i]]
    magnitudes = np.where(own, bins, np.array(aliases)[bins])
    return np.where(words & np.uint32(1), -magnitudes, magnitudes)


@cache
def alias_table() -> tuple[Sequence[int], Sequence[int]]:
    """Walker's alias table of |X|, X ~ D_{Z,82}: bin i gives i below its threshold of 2^116, else its alias.

    The masses are multiples of 2^-127 from 80 decimal digits: 1100 of them rounded down, that of 0 taking the rest. So
    the distribution, cut tails included, is within 1101 * 2^-127 < 2^-116 of the true one in statistical distance.
    """
    masses = magnitude_masses() + [0] * (BINS - GAUSSIAN_LIMIT - 1)
    capacity = 1 << _BIN_BITS
    thresholds, aliases = [capacity] * BINS, [0] * BINS
    small = [i for i, mass in enumerate(masses) if mass < capacity]
    large = [i for i, mass in enumerate(masses) if mass >= capacity]
    while small:
        i, giver = small.pop(), large[-1]
        thresholds[i], aliases[i] = masses[i], giver
        masses[giver] -= capacity - masses[i]
        if masses[giver] < capacity:
            small.append(large.pop())
    return thresholds, aliases


def magnitude_masses() -> list[int]:
    """P(|X| = x) in units of 2^-127 for x = 0..1100; they add up to 2^127."""
    unit = 1 << (_BIN_BITS + 11)
    with localcontext() as context:
        context.prec = 80
        halves = [(Decimal(-x * x) / (2 * SIGMA * SIGMA)).exp() for x in range(1, GAUSSIAN_LIMIT + 1)]
        total = 1 + 2 * sum(halves)
        masses = [int(2 * half / total * unit) for half in halves]
    return [unit - sum(masses), *masses]
