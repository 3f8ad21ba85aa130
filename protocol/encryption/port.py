"""The port of an encryption suite. Everything outside this package goes through it, so that suites can be exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import Subset
from protocol.errors import EncryptionError

Entry = tuple[Mapping[Subset, bytes], bytes, int]  # a client's share at one authority, its nonce, its weight
Body = bytes | memoryview  # of a ciphertext, or one leaf of it


@dataclass(frozen=True)
class DecryptedSum:
    """Exact weighted sums, and the largest noise that was left, in ciphertext words, rounded up (0 without noise)."""

    sums: npt.NDArray[np.int64]
    max_residual: int


class Encoding(Protocol):
    """How centred integers of ``bits`` bits are packed: ``packing`` means what the suite says it means."""

    @property
    def bits(self) -> int: ...

    @property
    def packing(self) -> int: ...

    @property
    def largest(self) -> int:
        """Values are in [-largest, largest]."""
        ...

    @property
    def block_bytes(self) -> int:
        """Chunk size of a stored body: one leaf of its DAG is one independent encryption block."""
        ...

    def body_bytes(self, dimension: int) -> int:
        """Exact size of a ciphertext of ``dimension`` coordinates."""
        ...

    def functional_key_bytes(self, dimension: int) -> int:
        """Exact size of a functional key, partial or combined."""
        ...

    def check_budget(self, weights: Sequence[int]) -> None:
        """That sums under ``weights`` stay exact, else EncryptionError ``E_PARAMS``, ``E_WEIGHT`` or ``E_BUDGET``."""
        ...

    def block_coordinates(self, block: int, dimension: int) -> npt.NDArray[np.int64]:
        """The coordinates that block ``block`` of a body carries, in the order of its decrypted sums."""
        ...


@dataclass(frozen=True, eq=False)
class PartialSum:
    """What one aggregator has added up, for another to go on from. Whose bodies they are is for callers to know."""

    encoding: Encoding
    dimension: int
    words: npt.NDArray[np.uint64]  # in the suite's one form
    weights: tuple[int, ...]  # one for each body


class Aggregator(Protocol):
    """A running weighted sum of ciphertext bodies; the order does not matter and memory is that of one sum."""

    def fold(self, body: Body, weight: int) -> None:
        """Add ``weight`` times a body, or nothing: MalformedError (fault: client) for a wrong size, ``E_WEIGHT``."""
        ...

    def fold_all(self, bodies: Sequence[Body], weights: Sequence[int]) -> None:
        """All of them, or nothing; several bodies are read in one pass over the sum."""
        ...

    def merge(self, other: PartialSum) -> None:
        """Add another aggregator's sum, or nothing: EncryptionError ``E_PARAMS`` for one of another suite, encoding or
        dimension, or words in another form; ``E_WEIGHT``."""
        ...

    @property
    def words(self) -> npt.NDArray[np.uint64]:
        """The sum so far; a copy."""
        ...

    @property
    def partial(self) -> PartialSum:
        """The sum so far, with the weights that are in it."""
        ...


class Suite(Protocol):
    """Functional encryption of weighted sums: one key per label, issued by a committee, decrypts one sum.

    Never two plaintexts under one (label, nonce), never two functional keys for one label: callers see to both.
    """

    def prepare(self, words: int) -> None:
        """Loads what work on so many words needs, compiling it on a machine that never did; else its first use does."""
        ...

    def encoding_for(self, bits: int, packing: int) -> Encoding:
        """Raises EncryptionError ``E_PARAMS`` for what the suite does not offer."""
        ...

    def encrypt(
        self,
        master_keys: Mapping[Subset, bytes],
        label: bytes,
        nonce: bytes,
        values: npt.NDArray[np.int64],
        encoding: Encoding,
        noise_key: bytes,
    ) -> bytes:
        """Ciphertext body of ``values``, shape (d,), in ±``largest``; deterministic in its arguments.

        ``noise_key``: 32 fresh secret bytes. Raises EncryptionError: ``E_RANGE`` for a value that does not fit,
        ``E_PARAMS`` for wrong sizes.
        """
        ...

    def partial_key(
        self, j: int, m: int, t: int, label: bytes, entries: Sequence[Entry], encoding: Encoding, dimension: int
    ) -> bytes:
        """Authority ``j``'s share of the functional key for the weighted sum over ``entries``.

        Raises EncryptionError: ``E_PARAMS`` for a wrong committee, sizes or incomplete shares, ``E_WEIGHT``,
        ``E_MIN_PARTICIPANTS`` for no entries.
        """
        ...

    def combine(self, partials: Mapping[int, bytes], m: int, t: int, encoding: Encoding, dimension: int) -> bytes:
        """The functional key, in its one encoding, from at least ``t`` answers (authority number -> partial key).

        With more than ``t`` all must lie on one polynomial, which is to say that all t-subsets agree. Raises
        EncryptionError ``E_SHARES`` (too few), ``E_SHARE_INCONSISTENT`` (one lies), ``E_PARAMS``; MalformedError
        (fault: key authority) for bytes that are no key.
        """
        ...

    def aggregator(self, encoding: Encoding, dimension: int) -> Aggregator: ...

    def decrypt(
        self,
        words: npt.NDArray[np.uint64],
        label: bytes,
        functional_key: bytes,
        encoding: Encoding,
        dimension: int,
        weights: Sequence[int],
    ) -> DecryptedSum:
        """The sums behind an aggregate, shape (d,). ``weights`` are those folded in.

        Raises EncryptionError ``E_RESIDUAL`` or ``E_RANGE`` when key, label, weights and ciphertexts do not belong
        together; ``E_PARAMS``, ``E_WEIGHT``, ``E_BUDGET``.
        """
        ...

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
        """Aggregate and decrypt one block, from that leaf of every body: ``sums`` follow ``block_coordinates``.

        Raises like :meth:`decrypt` and :meth:`Aggregator.fold`.
        """
        ...


def largest_value(bits: int) -> int:
    """The largest centred integer of ``bits`` bits; the smallest is its negative."""
    return (1 << (bits - 1)) - 1


def check_shape(values: npt.NDArray[np.int64]) -> None:
    """Raises EncryptionError ``E_PARAMS`` for another shape or type, or no values."""
    if values.ndim != 1 or values.dtype != np.int64 or not len(values):
        raise EncryptionError("values must be a non-empty int64 vector", code="E_PARAMS")


def check_vector(values: npt.NDArray[np.int64], largest: int) -> None:
    """Raises EncryptionError ``E_PARAMS`` for another shape or type, ``E_RANGE`` for a value beyond ±``largest``."""
    check_shape(values)
    if int(values.max()) > largest or int(values.min()) < -largest:
        raise EncryptionError(f"a value is beyond ±{largest}", code="E_RANGE")
