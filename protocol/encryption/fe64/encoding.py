"""How centred integers become ciphertext words, and the budgets within which their weighted sums stay exact.

``encryption.md`` 3.5: k fields of b bits per word, planar; every limit is checked in exact integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64.ring import DEGREE, MODULUS, PLAINTEXT_MODULUS, Words
from protocol.encryption.port import Encoding, largest_value
from protocol.encryption.weights import check_weights
from protocol.errors import EncryptionError

BLOCK_WORDS: Final = DEGREE
_BLOCK_BYTES: Final = 8 * BLOCK_WORDS
_KEY_BYTES: Final = 3 * DEGREE * 4
MAX_RESIDUAL_BOUND: Final = 512
NOISE_VARIANCE: Final = 82**2 * (1 + 20**2)  # sigma^2 of e = x1 + 20 x2

WIDTHS: Final = {1: 54, 2: 27, 3: 18, 4: 13}
_CAPS: Final = {1: PLAINTEXT_MODULUS - 1, 2: 134070305, 3: 261854, 4: 8191}


@dataclass(frozen=True)
class Fe64Encoding:
    """``bits`` (b) per coordinate and ``packing`` (k) coordinates per 64-bit ciphertext word."""

    bits: int
    packing: int

    def __post_init__(self) -> None:
        if self.packing not in WIDTHS or self.bits < 2 or (1 << self.bits) - 1 > _CAPS[self.packing]:
            raise EncryptionError(f"{self.packing} fields of {self.bits} bits do not fit a word", code="E_PARAMS")

    @property
    def largest(self) -> int:
        return largest_value(self.bits)

    @property
    def block_bytes(self) -> int:
        return _BLOCK_BYTES

    def words(self, dimension: int) -> int:
        return -(-dimension // self.packing)

    def body_bytes(self, dimension: int) -> int:
        return 8 * self.words(dimension)

    def functional_key_bytes(self, dimension: int) -> int:
        return _KEY_BYTES

    def check_budget(self, weights: Sequence[int]) -> None:
        check_weights(weights)
        if sum(weights) * ((1 << self.bits) - 1) > _CAPS[self.packing]:
            raise EncryptionError(f"the sum of weights {sum(weights)} overflows a field (B1)", code="E_BUDGET")
        if residual_bound(weights) > MAX_RESIDUAL_BOUND:
            raise EncryptionError("the weights make too much noise (B2)", code="E_BUDGET")

    def block_coordinates(self, block: int, dimension: int) -> npt.NDArray[np.int64]:
        count = self.words(dimension)
        words = np.arange(BLOCK_WORDS * block, min(BLOCK_WORDS * (block + 1), count), dtype=np.int64)
        coordinates = (np.arange(self.packing, dtype=np.int64)[:, None] * count + words).ravel()
        return coordinates[coordinates < dimension]

    def pack(self, values: npt.NDArray[np.int64]) -> Words:
        """Plaintext words m of ``values``, shape (d,), each in ±``largest``; unused fields are zero."""
        count, width = self.words(len(values)), WIDTHS[self.packing]
        planes = np.zeros(self.packing * count, np.uint64)
        planes[: len(values)] = (values + (1 << (self.bits - 1))).astype(np.uint64)
        shifts = np.arange(0, self.packing * width, width, dtype=np.uint64)[:, None]
        words: Words = np.bitwise_or.reduce(planes.reshape(self.packing, count) << shifts, axis=0)
        return words

    def unpack(self, words: Words) -> npt.NDArray[np.int64]:
        """The fields of words of a sum, each word below T; shape (k, words).

        The top field is not masked, so whatever stands above it counts as out of range too.
        """
        width = WIDTHS[self.packing]
        planes = [words >> np.uint64(width * f) for f in range(self.packing)]
        planes = [plane & np.uint64((1 << width) - 1) for plane in planes[:-1]] + planes[-1:]
        return np.array(planes).astype(np.int64)


def own_encoding(encoding: Encoding) -> Fe64Encoding:
    """Raises EncryptionError ``E_PARAMS`` for the encoding of another suite."""
    if not isinstance(encoding, Fe64Encoding):
        raise EncryptionError("the encoding is of another suite", code="E_PARAMS")
    return encoding


def residual_bound(weights: Sequence[int]) -> int:
    """nb (B2): the largest noise, in ciphertext words, that honest ciphertexts leave: 8.5 standard deviations, plus 4.

    Exact integers, so that every party draws the same line:
    nb = ceil(8.5 sqrt(1.1 (S + 1) / 12 + S sigma^2 2^128 / q^2)) + 4, S = sum of squared weights.
    """
    squares = sum(weight * weight for weight in weights)
    denominator = 4 * 120 * MODULUS**2
    numerator = 289 * (11 * (squares + 1) * MODULUS**2 + 120 * squares * NOISE_VARIANCE * (1 << 128))
    # ceil(sqrt(x)) = isqrt(ceil(x) - 1) + 1 for x > 0, since squares of integers are integers.
    return isqrt(-(-numerator // denominator) - 1) + 1 + 4
