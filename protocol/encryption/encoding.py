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

from protocol.encryption.ring import DEGREE, MODULUS, PLAINTEXT_MODULUS, Words
from protocol.errors import EncryptionError

SUITE: Final = "FE64-A/1"
BLOCK_WORDS: Final = DEGREE
BLOCK_BYTES: Final = 8 * BLOCK_WORDS
FUNCTIONAL_KEY_BYTES: Final = 3 * DEGREE * 4
MAX_WEIGHT: Final = 255
MAX_RESIDUAL_BOUND: Final = 512
NOISE_VARIANCE: Final = 82**2 * (1 + 20**2)  # sigma^2 of e = x1 + 20 x2

_WIDTHS: Final = {1: 54, 2: 27, 3: 18, 4: 13}
_CAPS: Final = {1: PLAINTEXT_MODULUS - 1, 2: 134070305, 3: 261854, 4: 8191}


@dataclass(frozen=True)
class Encoding:
    """``bits`` (b) per coordinate and ``fields`` (k) coordinates per 64-bit ciphertext word."""

    bits: int
    fields: int

    def __post_init__(self) -> None:
        if self.fields not in _WIDTHS or self.bits < 2 or (1 << self.bits) - 1 > _CAPS[self.fields]:
            raise EncryptionError(f"{self.fields} fields of {self.bits} bits do not fit a word", code="E_PARAMS")

    @property
    def largest(self) -> int:
        """Values are in [-largest, largest]."""
        return (1 << (self.bits - 1)) - 1

    def words(self, dimension: int) -> int:
        return -(-dimension // self.fields)

    def body_bytes(self, dimension: int) -> int:
        """Exact size of a ciphertext of ``dimension`` coordinates."""
        return 8 * self.words(dimension)

    def pack(self, values: npt.NDArray[np.int64]) -> Words:
        """Plaintext words m of ``values``, shape (d,), each in ±``largest``; unused fields are zero.

        Raises EncryptionError ``E_RANGE`` for a value that does not fit, ``E_PARAMS`` for another shape or type.
        """
        if values.ndim != 1 or values.dtype != np.int64 or not len(values):
            raise EncryptionError("values must be a non-empty int64 vector", code="E_PARAMS")
        if int(values.max()) > self.largest or int(values.min()) < -self.largest:
            raise EncryptionError(f"a value does not fit {self.bits} bits", code="E_RANGE")
        count, width = self.words(len(values)), _WIDTHS[self.fields]
        planes = np.zeros(self.fields * count, np.uint64)
        planes[: len(values)] = (values + (1 << (self.bits - 1))).astype(np.uint64)
        shifts = np.arange(0, self.fields * width, width, dtype=np.uint64)[:, None]
        words: Words = np.bitwise_or.reduce(planes.reshape(self.fields, count) << shifts, axis=0)
        return words

    def unpack(self, words: Words, dimension: int, sum_weights: int) -> npt.NDArray[np.int64]:
        """Centred weighted sums, shape (d,), from words of the sum, each below T.

        Raises EncryptionError ``E_RANGE`` when a field exceeds what the weights allow: a wrong residue of the key or a
        corrupt ciphertext makes fields uniform.
        """
        if words.shape != (self.words(dimension),):
            raise EncryptionError(f"{words.shape} words for {dimension} coordinates", code="E_PARAMS")
        width = _WIDTHS[self.fields]
        # The top field is not masked, so whatever stands above it counts as out of range too.
        planes = [words >> np.uint64(width * f) for f in range(self.fields)]
        planes = [plane & np.uint64((1 << width) - 1) for plane in planes[:-1]] + planes[-1:]
        sums = np.concatenate(planes).astype(np.int64)
        if int(sums.max()) > sum_weights * ((1 << self.bits) - 1):
            raise EncryptionError("a decrypted field is out of range", code="E_RANGE")
        return sums[:dimension] - sum_weights * (1 << (self.bits - 1))


def check_weight(weight: int) -> None:
    """B3. Raises EncryptionError ``E_WEIGHT`` unless ``weight`` is an integer in 1..255."""
    if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT:
        raise EncryptionError(f"weight {weight!r} is not an integer in [1, {MAX_WEIGHT}]", code="E_WEIGHT")


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


def check_budget(encoding: Encoding, weights: Sequence[int]) -> None:
    """That sums under ``weights`` stay exact, else EncryptionError ``E_PARAMS``, ``E_WEIGHT`` or ``E_BUDGET``."""
    if not weights:
        raise EncryptionError("no weights", code="E_PARAMS")
    for weight in weights:
        check_weight(weight)
    if sum(weights) * ((1 << encoding.bits) - 1) > _CAPS[encoding.fields]:
        raise EncryptionError(f"the sum of weights {sum(weights)} overflows a field (B1)", code="E_BUDGET")
    if residual_bound(weights) > MAX_RESIDUAL_BOUND:
        raise EncryptionError("the weights make too much noise (B2)", code="E_BUDGET")
