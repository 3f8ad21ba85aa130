"""Weighted sums of many bodies, read where they lie: several in one pass over a tile of the sum that stays in cache."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from protocol.encryption import weighted_kernels
from protocol.encryption.workers import in_parts

_LEAST = 1 << 16  # words that are worth a thread


def add_weighted(total: npt.NDArray[np.uint64], bodies: Sequence[bytes], weights: Sequence[int], width: int) -> None:
    """Adds weight times the little-endian words of ``width`` bytes (8, 6 or 4) of every body to ``total``, in place.

    Bodies have exactly the size of ``total`` in such words. With 6 bytes the sum is congruent modulo 2^48 - 59 and
    below 2^49 before and after.
    """
    held = [_aligned(body) for body in bodies]  # what the addresses point to lives until the end
    addresses = np.array([array.__array_interface__["data"][0] for array in held], np.uint64)
    factors = np.array(weights, np.uint64)
    add = {8: weighted_kernels.add_words}[width]
    in_parts(lambda start, end: add(total, addresses, factors, start, end), len(total), _LEAST)


def _aligned(body: bytes) -> npt.NDArray[np.uint8]:
    array = np.frombuffer(body, np.uint8)
    return array if array.__array_interface__["data"][0] % 8 == 0 else array.copy()
