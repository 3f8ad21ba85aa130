"""Inner products of shares of sketches modulo p, exactly, by the floating-point products of BLAS.

Centred words are split into limbs of 16 bits, below 2^15 + 1 in size. A sum of 3 * 512 products of two is below 2^53,
so that float64 is exact in whatever order it is added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.encryption.pad.encoding import Words
from protocol.errors import EncryptionError
from protocol.screening.arithmetic import MODULUS, Integers, centred
from protocol.screening.sketch import BLOCK_ROWS, BLOCKS, ROWS

Rows = npt.NDArray[np.uint64]  # shape (n, 512), words below p
Reals = npt.NDArray[np.float64]


def triangle_words(n: int) -> int:
    """Of an upper triangle with its diagonal."""
    return n * (n + 1) // 2


def gram(rows: Rows) -> Words:
    """The upper triangle of Z Z^T modulo p, row major, with the diagonal: shape (n (n + 1) / 2,)."""
    _check(rows)
    low, middle, high = _limbs(rows)
    sums = [
        low @ low.T,
        _both(low @ middle.T),
        _both(low @ high.T) + middle @ middle.T,
        _both(middle @ high.T),
        high @ high.T,
    ]
    upper = np.triu_indices(len(rows))
    return _recombined([part[upper] for part in sums])


def block_norms(rows: Rows) -> Words:
    """The squared norm modulo p of each block of 128 rows, four for each client in turn: shape (4 n,)."""
    _check(rows)
    low, middle, high = (limb.reshape(-1, BLOCK_ROWS) for limb in _limbs(rows))

    def dot(a: Reals, b: Reals) -> Reals:
        products: Reals = np.einsum("ij,ij->i", a, b)
        return products

    sums = [
        dot(low, low),
        2 * dot(low, middle),
        2 * dot(low, high) + dot(middle, middle),
        2 * dot(middle, high),
        dot(high, high),
    ]
    return _recombined(sums)


def square(triangle: Integers, n: int) -> Integers:
    """The symmetric matrix, shape (n, n), of an opened upper triangle."""
    matrix = np.zeros((n, n), np.int64)
    upper = np.triu_indices(n)
    matrix[upper] = triangle
    matrix.T[upper] = triangle
    return matrix


def _check(rows: Rows) -> None:
    if rows.ndim != 2 or rows.shape[1] != BLOCKS * BLOCK_ROWS or rows.dtype != np.uint64 or not len(rows):
        raise EncryptionError(f"{rows.shape} words where rows of {ROWS} are expected", code="E_PARAMS")


def _limbs(rows: Rows) -> tuple[Reals, Reals, Reals]:
    """Centred words as low + 2^16 middle + 2^32 high."""
    values, limbs = centred(rows), []
    for _ in range(2):
        limb = ((values + 2**15) & 0xFFFF) - 2**15
        limbs.append(limb.astype(np.float64))
        values = (values - limb) >> 16
    return limbs[0], limbs[1], values.astype(np.float64)


def _both(product: Reals) -> Reals:
    return product + product.T


def _recombined(sums: list[Reals]) -> Words:
    """Sum of sums[k] * 2^(16 k) modulo p: 2^48 * 2^16 just fits a word of 64 bits."""
    p = np.uint64(MODULUS)
    total = np.zeros(len(sums[0]), np.uint64)
    for part in reversed(sums):
        total = ((total << np.uint64(16)) % p + (part.astype(np.int64) % MODULUS).astype(np.uint64)) % p
    return total
