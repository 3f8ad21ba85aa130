"""``PAD/1`` of ``encryption.md`` section 7: a one-time pad from a PRF; its functional key is as long as the vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import Subset
from protocol.encryption.graded import Graded
from protocol.encryption.pad.encoding import BLOCK, PadEncoding, Words, own_encoding, pack_words
from protocol.encryption.pad.sharing import committee_of, lagrange_factors, share_coefficients
from protocol.encryption.port import Body, DecryptedSum, Encoding, Entry
from protocol.encryption.running_sum import RunningSum
from protocol.encryption.shares import derive, held_by, interpolate_agreed
from protocol.errors import EncryptionError, MalformedError, Party

_PURPOSE: Final = b"PAD/main/1"


class Arithmetic(Protocol):
    """What is worth compiling. Arguments are checked before, except where errors are named."""

    def encrypt(
        self,
        keys: Sequence[bytes],
        coefficients: Sequence[int],
        values: npt.NDArray[np.int64],
        encoding: PadEncoding,
    ) -> bytes:
        """Values plus the pad, the sum of coefficient * stream(key): ``E_PARAMS``, ``E_RANGE``, ``E_SAMPLER``."""
        ...

    def add_share(
        self, total: Words, weight: int, keys: Sequence[bytes], coefficients: Sequence[int], encoding: PadEncoding
    ) -> None:
        """Adds weight * sum of coefficient * stream(key) to ``total``, in place, below the modulus: ``E_SAMPLER``."""
        ...

    def add(self, total: Words, bodies: Sequence[Body], weights: Sequence[int], encoding: PadEncoding) -> None:
        """Adds the weighted words of ``bodies`` to ``total``, in place; congruent, and below 2^50 before and after."""
        ...

    def reduced(self, total: Words, encoding: PadEncoding) -> Words:
        """Words below 2^63, below the modulus."""
        ...

    def unpacked(self, data: bytes, encoding: PadEncoding) -> Words:
        """Inverse of ``pack_words``."""
        ...

    def scaled_sum(self, rows: Sequence[Words], factors: Sequence[int], encoding: PadEncoding) -> Words:
        """The sum of factor * row modulo the modulus, rows and factors below it."""
        ...

    def unmask(self, words: Words, key: Words, encoding: PadEncoding) -> npt.NDArray[np.int64]:
        """words - key, both below the modulus, centred."""
        ...


class Pad:
    def __init__(self, arithmetic: Graded[Arithmetic]) -> None:
        self.arithmetic = arithmetic

    def prepare(self, words: int) -> None:
        self.arithmetic.for_words(words)

    def encoding_for(self, bits: int, packing: int) -> PadEncoding:
        return PadEncoding(bits, packing)

    def encrypt(
        self,
        master_keys: Mapping[Subset, bytes],
        label: bytes,
        nonce: bytes,
        values: npt.NDArray[np.int64],
        encoding: Encoding,
        noise_key: bytes,
    ) -> bytes:
        """``noise_key`` is not used: there is no noise."""
        own = own_encoding(encoding)
        coefficients = share_coefficients(*committee_of(master_keys), 0, own.packing)
        keys = [derive(master_keys[subset], _PURPOSE, label, nonce) for subset in coefficients]
        arithmetic = self.arithmetic.for_words(len(values) * len(keys))
        return arithmetic.encrypt(keys, list(coefficients.values()), values, own)

    def partial_key(
        self, j: int, m: int, t: int, label: bytes, entries: Sequence[Entry], encoding: Encoding, dimension: int
    ) -> bytes:
        own = own_encoding(encoding)
        held_by(j, m, t, entries)
        coefficients = share_coefficients(m, t, j, own.packing)
        total = np.zeros(dimension, np.uint64)
        arithmetic = self.arithmetic.for_words(dimension * len(coefficients) * len(entries))
        for share, nonce, weight in entries:
            keys = [derive(share[subset], _PURPOSE, label, nonce) for subset in coefficients]
            arithmetic.add_share(total, weight, keys, list(coefficients.values()), own)
        return pack_words(total, own.packing)

    def combine(self, partials: Mapping[int, bytes], m: int, t: int, encoding: Encoding, dimension: int) -> bytes:
        own = own_encoding(encoding)
        shares = {j: self._decode_key(data, own, dimension) for j, data in partials.items()}

        def value_at(given: Mapping[int, Words], points: Sequence[int], x: int) -> Words:
            factors = lagrange_factors(points, x, own.modulus)
            arithmetic = self.arithmetic.for_words(dimension * len(points))
            return arithmetic.scaled_sum([given[j] for j in points], factors, own)

        return pack_words(interpolate_agreed(shares, m, t, value_at), own.packing)

    def aggregator(self, encoding: Encoding, dimension: int) -> RunningSum:
        own = own_encoding(encoding)
        return self._running(own, dimension)

    def decrypt(
        self,
        words: Words,
        label: bytes,
        functional_key: bytes,
        encoding: Encoding,
        dimension: int,
        weights: Sequence[int],
    ) -> DecryptedSum:
        own = own_encoding(encoding)
        return self._decrypt(words, label, self._decode_key(functional_key, own, dimension), own, weights)

    def decrypt_block(
        self,
        block: int,
        leaves: Sequence[Body],
        label: bytes,
        functional_key: bytes,
        encoding: Encoding,
        dimension: int,
        weights: Sequence[int],
    ) -> DecryptedSum:
        own = own_encoding(encoding)
        start, end = BLOCK * block, min(BLOCK * (block + 1), dimension)
        if not 0 <= start < end:
            raise EncryptionError(f"there is no block {block}", code="E_PARAMS")
        running = self._running(own, end - start)
        running.fold_all(leaves, weights)
        part = functional_key[own.packing * start : own.packing * end]
        return self._decrypt(running.words, label, self._decode_key(part, own, end - start), own, weights)

    def _running(self, encoding: PadEncoding, dimension: int) -> RunningSum:
        arithmetic = self.arithmetic.for_words(dimension)
        return RunningSum(
            encoding,
            dimension,
            np.zeros(dimension, np.uint64),
            partial(arithmetic.add, encoding=encoding),
            partial(arithmetic.reduced, encoding=encoding),
        )

    def _decrypt(
        self, words: Words, label: bytes, key: Words, encoding: PadEncoding, weights: Sequence[int]
    ) -> DecryptedSum:
        encoding.check_budget(weights)
        if words.shape != key.shape or words.dtype != np.uint64 or len(label) != 32:
            raise EncryptionError(f"{words.shape} words for another key or label", code="E_PARAMS")
        sums = self.arithmetic.for_words(len(words)).unmask(words, key, encoding)
        # A wrong key or a corrupt ciphertext makes coordinates uniform.
        largest = sum(weights) * encoding.largest
        if int(sums.max()) > largest or int(sums.min()) < -largest:
            raise EncryptionError("a decrypted coordinate is out of range", code="E_RANGE")
        return DecryptedSum(sums, 0)

    def _decode_key(self, data: bytes, encoding: PadEncoding, dimension: int) -> Words:
        """Raises MalformedError (fault: key authority)."""
        expected = encoding.functional_key_bytes(dimension)
        if len(data) != expected:
            raise MalformedError(f"a key of {len(data)} bytes, {expected} expected", fault=Party.KEY_AUTHORITY)
        words = self.arithmetic.for_words(dimension).unpacked(data, encoding)
        if int(words.max()) >= encoding.modulus:
            raise MalformedError("a key's word is not below the modulus", fault=Party.KEY_AUTHORITY)
        return words
