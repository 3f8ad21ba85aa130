"""What the edge server and the auditor do: add weighted ciphertexts, and open their sum with the functional key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.encoding import BLOCK_WORDS, Encoding, check_budget, check_weight, residual_bound
from protocol.encryption.functional_key import check_residues
from protocol.encryption.ring import (
    PLAINTEXT_MODULUS,
    Residues,
    Words,
    inverse_ntt,
    multiply,
    public_block,
    switch_to_words,
)
from protocol.errors import EncryptionError, MalformedError, Party

_HALF: Final = np.uint64(32)
_LOW_HALF: Final = np.uint64(2**32 - 1)
_T_HIGH: Final = np.uint64(PLAINTEXT_MODULUS >> 32)
_T_LOW: Final = np.uint64(PLAINTEXT_MODULUS & (2**32 - 1))


@dataclass(frozen=True)
class Opened:
    """Exact weighted sums, shape (d,), and the largest noise that was left, in ciphertext words, rounded up."""

    sums: npt.NDArray[np.int64]
    max_residual: int


class Aggregator:
    """The weighted sum of ciphertexts, folded in one by one; the order does not matter and memory is that of one."""

    def __init__(self, encoding: Encoding, dimension: int) -> None:
        self._body_bytes = encoding.body_bytes(dimension)
        self._words = np.zeros(encoding.words(dimension), np.uint64)

    def fold(self, body: bytes, weight: int) -> None:
        """Add ``weight`` times a body, or nothing: MalformedError (fault: client) for a wrong size, ``E_WEIGHT``."""
        check_weight(weight)
        if len(body) != self._body_bytes:
            raise MalformedError(f"a body of {len(body)} bytes, {self._body_bytes} expected", fault=Party.CLIENT)
        self._words += np.frombuffer(body, "<u8").astype(np.uint64) * np.uint64(weight)

    @property
    def words(self) -> Words:
        """The sum modulo 2^64; a copy."""
        return self._words.copy()


def decrypt(
    words: Words,
    label: bytes,
    functional_key: Residues,
    encoding: Encoding,
    dimension: int,
    weights: Sequence[int],
) -> Opened:
    """Open an aggregate. ``weights`` are those folded in.

    Raises EncryptionError: ``E_RESIDUAL`` (noise above the bound) and ``E_RANGE`` (a field above what the weights
    allow) when key, label, weights and ciphertexts do not belong together; ``E_PARAMS``, ``E_WEIGHT``, ``E_BUDGET``.
    """
    check_budget(encoding, weights)
    check_residues(functional_key)
    if words.shape != (encoding.words(dimension),) or words.dtype != np.uint64 or len(label) != 32:
        raise EncryptionError(f"{words.shape} words for {dimension} coordinates", code="E_PARAMS")
    plain = np.empty_like(words)
    largest = 0
    for t, start in enumerate(range(0, len(words), BLOCK_WORDS)):
        part = words[start : start + BLOCK_WORDS]
        mask = switch_to_words(inverse_ntt(multiply(public_block(label, t), functional_key)))
        plain[start : start + BLOCK_WORDS], residual = _round_to_message(part - mask[: len(part)])
        largest = max(largest, int(residual.max()), -int(residual.min()))
    if largest > residual_bound(weights) * PLAINTEXT_MODULUS:
        raise EncryptionError("the noise left after decryption is above its bound", code="E_RESIDUAL")
    return Opened(encoding.unpack(plain, dimension, sum(weights)), -(-largest // PLAINTEXT_MODULUS))


def _round_to_message(difference: Words) -> tuple[Words, npt.NDArray[np.int64]]:
    """round(D T / 2^64) modulo T, and the signed rest of D T (T for each word), from the exact 128-bit product."""
    high, low = difference >> _HALF, difference & _LOW_HALF
    bottom, cross = low * _T_LOW, high * _T_LOW
    middle = (bottom >> _HALF) + (cross & _LOW_HALF) + low * _T_HIGH  # below 2^55, as T is below 2^54
    product_low = (middle << _HALF) | (bottom & _LOW_HALF)
    product_high = high * _T_HIGH + (cross >> _HALF) + (middle >> _HALF)
    rounded = product_high + (product_low >> np.uint64(63))
    return rounded % np.uint64(PLAINTEXT_MODULUS), product_low.view(np.int64)
