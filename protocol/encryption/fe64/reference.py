"""The arithmetic of FE64 in plain numpy: slow, short, and what the compiled kernels are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64.encoding import BLOCK_WORDS, Fe64Encoding
from protocol.encryption.fe64.gaussian import noise_block
from protocol.encryption.fe64.ring import (
    DELTA,
    PLAINTEXT_MODULUS,
    PRIMES,
    STREAM_BYTES,
    Residues,
    Words,
    inverse_ntt,
    multiply,
    public_block,
    reduce,
    reduce_signed,
    switch_to_words,
    uniform_limbs,
)
from protocol.encryption.port import Body, check_vector
from protocol.streams import ctr_stream

_HALF: Final = np.uint64(32)
_LOW_HALF: Final = np.uint64(2**32 - 1)
_T_HIGH: Final = np.uint64(PLAINTEXT_MODULUS >> 32)
_T_LOW: Final = np.uint64(PLAINTEXT_MODULUS & (2**32 - 1))


class Reference:
    """An ``Arithmetic`` of FE64."""

    def expand_sum(self, keys: Sequence[bytes], weights: Sequence[int]) -> Residues:
        total: Residues = np.zeros((len(PRIMES), BLOCK_WORDS), np.uint64)
        for key, weight in zip(keys, weights, strict=True):
            # weight * residue < 2^36, so 2^28 of them fit the 64-bit sum
            total += uniform_limbs(ctr_stream(key, STREAM_BYTES)) * np.uint64(weight)
        return reduce(total)

    def encrypt(
        self,
        secret: Residues,
        label: bytes,
        values: npt.NDArray[np.int64],
        encoding: Fe64Encoding,
        noise_key: bytes | None,
    ) -> bytes:
        check_vector(values, encoding.largest)
        plain = encoding.pack(values)
        body = np.empty(len(plain), "<u8")
        for t, start in enumerate(range(0, len(plain), BLOCK_WORDS)):
            message = np.zeros(BLOCK_WORDS, np.uint64)
            count = min(BLOCK_WORDS, len(plain) - start)
            message[:count] = plain[start : start + count]
            masked = inverse_ntt(multiply(public_block(label, t), secret)) + reduce(reduce(message) * np.uint64(DELTA))
            if noise_key is not None:
                masked += reduce_signed(noise_block(noise_key, t))
            body[start : start + count] = switch_to_words(masked)[:count]
        return body.tobytes()

    def add(self, total: Words, bodies: Sequence[Body], weights: Sequence[int]) -> None:
        for body, weight in zip(bodies, weights, strict=True):
            total += np.frombuffer(body, "<u8").astype(np.uint64) * np.uint64(weight)

    def unmask(
        self, words: Words, first_block: int, label: bytes, key: Residues, encoding: Fe64Encoding
    ) -> tuple[npt.NDArray[np.int64], int]:
        plain = np.empty_like(words)
        largest = 0
        for t, start in enumerate(range(0, len(words), BLOCK_WORDS)):
            part = words[start : start + BLOCK_WORDS]
            mask = switch_to_words(inverse_ntt(multiply(public_block(label, first_block + t), key)))
            plain[start : start + BLOCK_WORDS], residual = _round_to_message(part - mask[: len(part)])
            largest = max(largest, int(residual.max()), -int(residual.min()))
        return encoding.unpack(plain), largest


def _round_to_message(difference: Words) -> tuple[Words, npt.NDArray[np.int64]]:
    """round(D T / 2^64) modulo T, and the signed rest of D T (T for each word), from the exact 128-bit product."""
    high, low = difference >> _HALF, difference & _LOW_HALF
    bottom, cross = low * _T_LOW, high * _T_LOW
    middle = (bottom >> _HALF) + (cross & _LOW_HALF) + low * _T_HIGH  # below 2^55, as T is below 2^54
    product_low = (middle << _HALF) | (bottom & _LOW_HALF)
    product_high = high * _T_HIGH + (cross >> _HALF) + (middle >> _HALF)
    rounded = product_high + (product_low >> np.uint64(63))
    return rounded % np.uint64(PLAINTEXT_MODULUS), product_low.view(np.int64)
