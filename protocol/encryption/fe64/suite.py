"""``FE64-A/1`` of ``encryption.md`` section 3: ring-LWE, a functional key of constant size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import Subset
from protocol.encryption.fe64.encoding import BLOCK_WORDS, Fe64Encoding, own_encoding, residual_bound
from protocol.encryption.fe64.functional_key import decode_key, interpolate, key_bytes, sharing_coefficient
from protocol.encryption.fe64.ring import PLAINTEXT_MODULUS, Residues, Words, reduce
from protocol.encryption.graded import Graded
from protocol.encryption.port import Body, DecryptedSum, Encoding, Entry
from protocol.encryption.running_sum import RunningSum
from protocol.encryption.shares import derive, held_by, interpolate_agreed
from protocol.errors import EncryptionError


class Arithmetic(Protocol):
    """What is worth compiling. Arguments are checked before, except where errors are named."""

    def expand_sum(self, keys: Sequence[bytes], weights: Sequence[int]) -> Residues:
        """The sum of weight * U(AES-256-CTR(key)): ``E_SAMPLER``."""
        ...

    def encrypt(
        self,
        secret: Residues,
        label: bytes,
        values: npt.NDArray[np.int64],
        encoding: Fe64Encoding,
        noise_key: bytes | None,
    ) -> bytes:
        """f(a_t o s + e_t + Delta m_t) for every block t: ``E_PARAMS``, ``E_RANGE``.

        Without ``noise_key`` e is 0: known answers only, no secrecy.
        """
        ...

    def add(self, total: Words, bodies: Sequence[Body], weights: Sequence[int]) -> None:
        """Adds the weighted words of ``bodies`` to ``total``, in place, modulo 2^64."""
        ...

    def unmask(
        self, words: Words, first_block: int, label: bytes, key: Residues, encoding: Fe64Encoding
    ) -> tuple[npt.NDArray[np.int64], int]:
        """Fields of the sums, shape (k, words), not yet centred, and the largest noise times T."""
        ...


class Fe64:
    def __init__(self, arithmetic: Graded[Arithmetic]) -> None:
        self.arithmetic = arithmetic

    def prepare(self, words: int) -> None:
        self.arithmetic.for_words(words)

    def encoding_for(self, bits: int, packing: int) -> Fe64Encoding:
        return Fe64Encoding(bits, packing)

    def encrypt(
        self,
        master_keys: Mapping[Subset, bytes],
        label: bytes,
        nonce: bytes,
        values: npt.NDArray[np.int64],
        encoding: Encoding,
        noise_key: bytes,
    ) -> bytes:
        if not master_keys:
            raise EncryptionError("no master keys", code="E_PARAMS")
        keys = [derive(key, b"FE64/s", label, nonce) for key in master_keys.values()]
        own = own_encoding(encoding)
        arithmetic = self.arithmetic.for_words(own.words(len(values)) + BLOCK_WORDS * len(keys))
        secret = arithmetic.expand_sum(keys, [1] * len(keys))
        noise = derive(noise_key, b"FE64/e", label, nonce)
        return arithmetic.encrypt(secret, label, values, own, noise)

    def partial_key(
        self, j: int, m: int, t: int, label: bytes, entries: Sequence[Entry], encoding: Encoding, dimension: int
    ) -> bytes:
        own_encoding(encoding)
        held = held_by(j, m, t, entries)
        weights = [weight for _, _, weight in entries]
        total = np.zeros(1, np.uint64)
        arithmetic = self.arithmetic.for_words(BLOCK_WORDS * len(held) * len(entries))
        for subset in held:
            keys = [derive(share[subset], b"FE64/s", label, nonce) for share, nonce, _ in entries]
            total = total + reduce(arithmetic.expand_sum(keys, weights) * sharing_coefficient(subset, j))
        return key_bytes(reduce(total))

    def combine(self, partials: Mapping[int, bytes], m: int, t: int, encoding: Encoding, dimension: int) -> bytes:
        own_encoding(encoding)
        shares = {j: decode_key(data) for j, data in partials.items()}
        return key_bytes(interpolate_agreed(shares, m, t, interpolate))

    def aggregator(self, encoding: Encoding, dimension: int) -> RunningSum:
        own = own_encoding(encoding)
        total = np.zeros(own.words(dimension), np.uint64)
        return RunningSum(own, dimension, total, self.arithmetic.for_words(len(total)).add, np.copy)

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
        if words.shape != (own.words(dimension),):
            raise EncryptionError(f"{words.shape} words for {dimension} coordinates", code="E_PARAMS")
        fields, residual = self._decrypt(words, 0, label, functional_key, own, weights)
        return DecryptedSum(fields.reshape(-1)[:dimension], residual)

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
        start, end = BLOCK_WORDS * block, min(BLOCK_WORDS * (block + 1), own.words(dimension))
        if not 0 <= start < end:
            raise EncryptionError(f"there is no block {block}", code="E_PARAMS")
        add = self.arithmetic.for_words((end - start) * len(leaves)).add
        running = RunningSum(own, own.packing * (end - start), np.zeros(end - start, np.uint64), add, np.copy)
        running.fold_all(leaves, weights)
        fields, residual = self._decrypt(running.words, block, label, functional_key, own, weights)
        return DecryptedSum(fields.reshape(-1)[: len(own.block_coordinates(block, dimension))], residual)

    def _decrypt(
        self, words: Words, block: int, label: bytes, key: bytes, encoding: Fe64Encoding, weights: Sequence[int]
    ) -> tuple[npt.NDArray[np.int64], int]:
        encoding.check_budget(weights)
        if words.dtype != np.uint64 or len(label) != 32:
            raise EncryptionError("an aggregate is of 64-bit words and a label of 32 bytes", code="E_PARAMS")
        arithmetic = self.arithmetic.for_words(len(words))
        fields, largest = arithmetic.unmask(words, block, label, decode_key(key), encoding)
        if largest > residual_bound(weights) * PLAINTEXT_MODULUS:
            raise EncryptionError("the noise left after decryption is above its bound", code="E_RESIDUAL")
        # A wrong residue of the key or a corrupt ciphertext makes fields uniform.
        if int(fields.max()) > sum(weights) * ((1 << encoding.bits) - 1):
            raise EncryptionError("a decrypted field is out of range", code="E_RANGE")
        fields -= sum(weights) << (encoding.bits - 1)
        return fields, -(-largest // PLAINTEXT_MODULUS)
