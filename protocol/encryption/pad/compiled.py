"""The arithmetic of PAD/1 by compiled loops: the bytes of :mod:`protocol.encryption.pad.reference`, at speed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.encryption.pad import kernels
from protocol.encryption.pad.encoding import BLOCK, RESERVE, PadEncoding, Words
from protocol.encryption.port import Body, check_shape
from protocol.encryption.weighted_words import add_weighted
from protocol.encryption.workers import in_parts
from protocol.errors import EncryptionError
from protocol.streams import KeyStream


class Compiled:
    """An ``Arithmetic`` of PAD/1."""

    def encrypt(
        self,
        keys: Sequence[bytes],
        coefficients: Sequence[int],
        values: npt.NDArray[np.int64],
        encoding: PadEncoding,
    ) -> bytes:
        check_shape(values)
        values, width = np.require(values, requirements=["C", "W"]), encoding.packing
        block, blocks = np.empty(BLOCK * width, np.uint8), []
        for start, total in _weighted_streams(keys, coefficients, 0, len(values), encoding):
            part = block[: width * len(total)]
            taken = values[start : start + len(total)]
            if kernels.seal(total, taken, encoding.largest, 8 * width, encoding.excess, part):
                raise EncryptionError(f"a value is beyond ±{encoding.largest}", code="E_RANGE")
            blocks.append(part.tobytes())
        return b"".join(blocks)

    def add_share(
        self, total: Words, weight: int, keys: Sequence[bytes], coefficients: Sequence[int], encoding: PadEncoding
    ) -> None:
        bias = encoding.modulus * -sum(c for c in coefficients if c < 0)
        bits, excess = 8 * encoding.packing, encoding.excess

        def part(first: int, end: int) -> None:
            for start, share in _weighted_streams(keys, coefficients, first, min(BLOCK * end, len(total)), encoding):
                kernels.add_share(share, bias, weight, bits, excess, total[start : start + len(share)])

        in_parts(part, -(-len(total) // BLOCK), 4)

    def add(self, total: Words, bodies: Sequence[Body], weights: Sequence[int], encoding: PadEncoding) -> None:
        add_weighted(total, bodies, weights, encoding.packing)

    def reduced(self, total: Words, encoding: PadEncoding) -> Words:
        words = np.empty_like(total)
        kernels.reduce(total, 8 * encoding.packing, encoding.excess, words)
        return words

    def unpacked(self, data: bytes, encoding: PadEncoding) -> Words:
        if encoding.packing == 4:
            return np.frombuffer(data, "<u4").astype(np.uint64)
        words = np.empty(len(data) // encoding.packing, np.uint64)
        kernels.unpack(np.frombuffer(data, np.uint8).copy(), encoding.packing, words)
        return words

    def scaled_sum(self, rows: Sequence[Words], factors: Sequence[int], encoding: PadEncoding) -> Words:
        total = np.zeros_like(rows[0])
        for row, factor in zip(rows, factors, strict=True):
            kernels.add_multiple(row, factor, 8 * encoding.packing, encoding.excess, total)
        return total

    def unmask(self, words: Words, key: Words, encoding: PadEncoding) -> npt.NDArray[np.int64]:
        sums = np.empty(len(words), np.int64)
        kernels.subtract(np.require(words, requirements=["C", "W"]), key, encoding.modulus, sums)
        return sums


def _weighted_streams(
    keys: Sequence[bytes], coefficients: Sequence[int], first: int, end: int, encoding: PadEncoding
) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Blocks from block ``first`` up to coordinate ``end``: where each starts, and the sum of coefficient * stream."""
    width = encoding.packing
    item: Any
    item, add = (np.uint32, kernels.add_stream_4) if width == 4 else (np.uint16, kernels.add_stream_6)
    streams = [KeyStream(key, width * (BLOCK + RESERVE) * first) for key in keys]
    for start in range(BLOCK * first, end, BLOCK):
        total = np.zeros(min(BLOCK, end - start), np.int64)
        words = np.empty(width * (len(total) + RESERVE) // np.dtype(item).itemsize, item)
        for stream, coefficient in zip(streams, coefficients, strict=True):
            stream.fill(words)
            if add(words, coefficient, total):
                raise EncryptionError("the uniform sampler ran out of reserve words", code="E_SAMPLER")
        yield start, total
