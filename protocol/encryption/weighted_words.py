"""Weighted sums of many bodies, read where they lie: several in one pass over a tile of the sum that stays in cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption import weighted_kernels
from protocol.encryption.port import Body
from protocol.encryption.workers import in_parts

_LEAST: Final = 1 << 16  # words of all bodies together that are worth a thread, and a few of the sum
_LEAST_OF_SUM: Final = 1 << 12
_TOGETHER: Final = 64  # 64 weights of 255 and a sum below 2^49 fit 64 bits with words of 48


def add_weighted(total: npt.NDArray[np.uint64], bodies: Sequence[Body], weights: Sequence[int], width: int) -> None:
    """Adds weight times the little-endian words of ``width`` bytes (8, 6 or 4) of every body to ``total``, in place.

    Bodies have exactly the size of ``total`` in such words. With 6 bytes the sum is congruent modulo 2^48 - 59 and
    below 2^49 before and after.
    """
    add, item = {
        8: (weighted_kernels.add_words, np.uint64),
        6: (weighted_kernels.add_six_bytes, np.uint16),
        4: (weighted_kernels.add_four_bytes, np.uint32),
    }[width]
    held = [_aligned(body) for body in bodies]  # what the addresses point to lives until the end
    addresses = np.array([array.__array_interface__["data"][0] for array in held], np.uint64)
    factors, example = np.array(weights, np.uint64), np.empty(0, item)

    def part(start: int, end: int) -> None:
        for k in range(0, len(held), _TOGETHER):
            several = slice(k, k + _TOGETHER)
            add(total, example, addresses[several], factors[several], start, end)

    in_parts(part, len(total), max(_LEAST_OF_SUM, _LEAST // max(1, len(held))))


def _aligned(body: Body) -> npt.NDArray[np.uint8]:
    array = np.frombuffer(body, np.uint8)
    return array if array.__array_interface__["data"][0] % 8 == 0 else array.copy()
