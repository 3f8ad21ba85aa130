"""Keys as ring elements: their bytes, and the weights with which shares are made and combined (3.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Final

import numpy as np

from protocol.encryption.committee import Subset
from protocol.encryption.fe64.ring import DEGREE, PRIMES, Residues, reduce
from protocol.errors import MalformedError, Party

_SHAPE: Final = (len(PRIMES), DEGREE)
_BYTES: Final = 4 * len(PRIMES) * DEGREE


def key_bytes(key: Residues) -> bytes:
    """3 x 4096 residues, u32 little-endian: 49,152 bytes."""
    return key.astype("<u4").tobytes()


def decode_key(data: bytes) -> Residues:
    """Strict inverse of :func:`key_bytes`. Raises MalformedError (fault: key authority)."""
    if len(data) != _BYTES:
        raise MalformedError(f"a key of {len(data)} bytes, {_BYTES} expected", fault=Party.KEY_AUTHORITY)
    key = np.frombuffer(data, "<u4").reshape(_SHAPE).astype(np.uint64)
    if not np.array_equal(reduce(key), key):
        raise MalformedError("a key's residue is not below its prime", fault=Party.KEY_AUTHORITY)
    return key


def sharing_coefficient(subset: Subset, x: int) -> Residues:
    """f_B(x) = prod over b in B of (b - x) / b modulo each prime, shape (3, 1): 1 at zero, 0 on B."""
    return _fraction(prod(b - x for b in subset), prod(subset))


def interpolate(shares: Mapping[int, Residues], points: Sequence[int], x: int) -> Residues:
    """The value at ``x`` of the polynomial through the shares at ``points``."""
    value = np.zeros(_SHAPE, np.uint64)
    for j in points:
        others = [point for point in points if point != j]
        weight = _fraction(prod(point - x for point in others), prod(point - j for point in others))
        value += reduce(shares[j] * weight)
    return reduce(value)


def _fraction(numerator: int, denominator: int) -> Residues:
    return np.array([[numerator * pow(denominator, -1, prime) % prime] for prime in PRIMES], np.uint64)
