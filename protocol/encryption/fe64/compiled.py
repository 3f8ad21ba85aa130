"""The arithmetic of FE64 by compiled loops: the bytes of :mod:`protocol.encryption.fe64.reference`, at speed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64 import kernels
from protocol.encryption.fe64.encoding import BLOCK_WORDS, WIDTHS, Fe64Encoding
from protocol.encryption.fe64.gaussian import NOISE_STREAM_BYTES, alias_table
from protocol.encryption.fe64.ring import PRIMES, STREAM_BYTES, Residues, Words, public_key_of, reduce
from protocol.encryption.fe64.tables import constants, field_factors, transform_tables, with_quotients
from protocol.encryption.port import Body, check_shape
from protocol.encryption.weighted_words import add_weighted
from protocol.encryption.workers import in_parts
from protocol.errors import EncryptionError
from protocol.streams import KeyStream

_PRIMES: Final = np.array(PRIMES, np.uint64)
_WORK: Final = (6, BLOCK_WORDS)


class Compiled:
    """An ``Arithmetic`` of FE64."""

    def expand_sum(self, keys: Sequence[bytes], weights: Sequence[int]) -> Residues:
        def part(start: int, end: int) -> Residues:
            total, stream = np.zeros(len(PRIMES) * BLOCK_WORDS, np.uint64), _stream(STREAM_BYTES)
            for key, weight in zip(keys[start:end], weights[start:end], strict=True):
                KeyStream(key).fill(stream)
                if kernels.accumulate(stream, _PRIMES, weight, total):
                    raise _exhausted()
            return total

        total: Residues = sum(in_parts(part, len(keys), 32), np.zeros(1, np.uint64))
        return reduce(total.reshape(len(PRIMES), BLOCK_WORDS))

    def encrypt(
        self,
        secret: Residues,
        label: bytes,
        values: npt.NDArray[np.int64],
        encoding: Fe64Encoding,
        noise_key: bytes | None,
    ) -> bytes:
        check_shape(values)
        values, words = np.require(values, requirements=["C", "W"]), encoding.words(len(values))
        block, work, noise = np.empty(BLOCK_WORDS, "<u8"), np.empty(_WORK, np.uint32), np.zeros(BLOCK_WORDS, np.int32)
        blocks = []
        stream, public, factor = _stream(STREAM_BYTES), KeyStream(public_key_of(label)), with_quotients(secret)
        noise_words, noises = _stream(NOISE_STREAM_BYTES), KeyStream(noise_key) if noise_key else None
        factors, bits, largest = field_factors(encoding.packing), encoding.bits, encoding.largest
        for start in range(0, words, BLOCK_WORDS):
            if noises:
                noises.fill(noise_words)
                if kernels.gaussian(noise_words, *self._bins, noise):
                    raise _exhausted()
            public.fill(stream)
            self._transform(stream, factor, work)
            part = block[: words - start]
            if kernels.seal(
                work, noise, values, words, start, bits, largest, self._tables, self._constants, factors, part
            ):
                raise EncryptionError(f"a value is beyond ±{largest}", code="E_RANGE")
            blocks.append(part.tobytes())
        return b"".join(blocks)

    def add(self, total: Words, bodies: Sequence[Body], weights: Sequence[int]) -> None:
        add_weighted(total, bodies, weights, 8)

    def unmask(
        self, words: Words, first_block: int, label: bytes, key: Residues, encoding: Fe64Encoding
    ) -> tuple[npt.NDArray[np.int64], int]:
        fields = np.empty((encoding.packing, len(words)), np.int64)
        words = np.require(words, requirements=["C", "W"])
        factor, width = with_quotients(key), WIDTHS[encoding.packing]

        def part(first: int, end: int) -> npt.NDArray[np.int64]:
            work, stream, extremes = np.empty(_WORK, np.uint32), _stream(STREAM_BYTES), np.zeros(3, np.int64)
            public = KeyStream(public_key_of(label), STREAM_BYTES * (first_block + first))
            for start in range(BLOCK_WORDS * first, min(BLOCK_WORDS * end, len(words)), BLOCK_WORDS):
                public.fill(stream)
                self._transform(stream, factor, work)
                count = min(BLOCK_WORDS, len(words) - start)
                kernels.unseal(work, words, start, count, width, self._tables, self._constants, fields, extremes)
            return extremes

        extremes = in_parts(part, -(-len(words) // BLOCK_WORDS), 4)
        return fields, max(max(int(high), -int(low)) for _, high, low in extremes)

    def _transform(
        self, stream: npt.NDArray[np.uint32], factor: npt.NDArray[np.uint32], work: npt.NDArray[np.uint32]
    ) -> None:
        if kernels.sample_uniform(stream, _PRIMES):
            raise _exhausted()
        kernels.transform(stream, factor, self._tables, _PRIMES, work, work[5])

    @cached_property
    def _tables(self) -> npt.NDArray[np.uint32]:
        return transform_tables()

    @cached_property
    def _constants(self) -> Words:
        return constants()

    @cached_property
    def _bins(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
        """Per bin the threshold's first 21 bits and the alias; and the 96 bits that follow, in three words."""
        thresholds, aliases = alias_table()
        packed = [threshold >> 96 | alias << 21 for threshold, alias in zip(thresholds, aliases, strict=True)]
        exact = [threshold >> shift & 0xFFFFFFFF for threshold in thresholds for shift in (0, 32, 64)]
        return np.array(packed, np.uint32), np.array(exact, np.uint32)


def _stream(size: int) -> npt.NDArray[np.uint32]:
    return np.empty(size // 4, "<u4")


def _exhausted() -> EncryptionError:
    return EncryptionError("a sampler ran out of reserve words", code="E_SAMPLER")
