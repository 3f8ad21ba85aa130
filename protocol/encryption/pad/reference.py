"""The arithmetic of PAD/1 in plain numpy: slow, short, and what the compiled kernels are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np
import numpy.typing as npt

from protocol.encryption.pad.encoding import BLOCK, RESERVE, PadEncoding, Words, pack_words, unpack_words
from protocol.encryption.port import Body, check_vector
from protocol.errors import EncryptionError
from protocol.streams import ctr_stream


def stream(key: bytes, dimension: int, encoding: PadEncoding) -> Words:
    """``dimension`` words, uniform below the modulus (7.1). Raises EncryptionError ``E_SAMPLER``: no reserve left."""
    width, p = encoding.packing, np.uint64(encoding.modulus)
    blocks = []
    for t, start in zip(count(), range(0, dimension, BLOCK), strict=False):
        size = min(BLOCK, dimension - start)
        data = ctr_stream(key, width * (size + RESERVE), width * (BLOCK + RESERVE) * t)
        words = unpack_words(data, width)
        main, reserve = words[:size], words[size:]
        refused, spare = np.flatnonzero(main >= p), reserve[reserve < p]
        if len(refused) > len(spare):
            raise EncryptionError("the uniform sampler ran out of reserve words", code="E_SAMPLER")
        main[refused] = spare[: len(refused)]
        blocks.append(main)
    return np.concatenate(blocks)


class Reference:
    """An ``Arithmetic`` of PAD/1."""

    def encrypt(
        self,
        keys: Sequence[bytes],
        coefficients: Sequence[int],
        values: npt.NDArray[np.int64],
        encoding: PadEncoding,
    ) -> bytes:
        check_vector(values, encoding.largest)
        pad = _weighted_streams(keys, coefficients, len(values), encoding)
        return pack_words(((values + pad) % encoding.modulus).astype(np.uint64), encoding.packing)

    def add_share(
        self, total: Words, weight: int, keys: Sequence[bytes], coefficients: Sequence[int], encoding: PadEncoding
    ) -> None:
        share = _weighted_streams(keys, coefficients, len(total), encoding).astype(np.uint64)
        total += share * np.uint64(weight)
        total %= np.uint64(encoding.modulus)

    def add(self, total: Words, bodies: Sequence[Body], weights: Sequence[int], encoding: PadEncoding) -> None:
        for body, weight in zip(bodies, weights, strict=True):
            total += unpack_words(body, encoding.packing) * np.uint64(weight)
            total %= np.uint64(encoding.modulus)

    def reduced(self, total: Words, encoding: PadEncoding) -> Words:
        return total % np.uint64(encoding.modulus)

    def unpacked(self, data: bytes, encoding: PadEncoding) -> Words:
        return unpack_words(data, encoding.packing)

    def scaled_sum(self, rows: Sequence[Words], factors: Sequence[int], encoding: PadEncoding) -> Words:
        p = np.uint64(encoding.modulus)
        total = np.zeros_like(rows[0])
        for row, factor in zip(rows, factors, strict=True):
            product = np.zeros_like(row)
            for shift in (32, 16, 0):  # a word below 2^48 times 16 bits fits 64
                limb = np.uint64(factor >> shift & 0xFFFF)
                product = ((product << np.uint64(16)) % p + row * limb % p) % p
            total = (total + product) % p
        return total

    def unmask(self, words: Words, key: Words, encoding: PadEncoding) -> npt.NDArray[np.int64]:
        p = encoding.modulus
        sums = (words.astype(np.int64) - key.astype(np.int64)) % p
        return np.where(sums > p // 2, sums - p, sums)


def _weighted_streams(
    keys: Sequence[bytes], coefficients: Sequence[int], dimension: int, encoding: PadEncoding
) -> npt.NDArray[np.int64]:
    """The sum of coefficient * stream, below the modulus; ``share_coefficients`` makes sure that it fits 64 bits."""
    total = np.zeros(dimension, np.int64)
    for key, coefficient in zip(keys, coefficients, strict=True):
        total += stream(key, dimension, encoding).astype(np.int64) * coefficient
    return total % encoding.modulus
