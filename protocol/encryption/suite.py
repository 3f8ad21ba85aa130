"""The port of an encryption suite. Everything outside this package goes through it, so that suites can be exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocol.encryption import aggregate, client, encoding, functional_key
from protocol.encryption.aggregate import Opened
from protocol.encryption.committee import Subset
from protocol.encryption.encoding import Encoding
from protocol.encryption.functional_key import Entry
from protocol.errors import EncryptionError

FunctionalKey = npt.NDArray[np.uint64]


class Aggregator(Protocol):
    """A running weighted sum of ciphertext bodies."""

    def fold(self, body: bytes, weight: int) -> None: ...

    @property
    def words(self) -> npt.NDArray[np.uint64]: ...


class Suite(Protocol):
    """Functional encryption of weighted sums: one key per label, issued by a committee, opens one sum.

    Never two plaintexts under one (label, nonce), never two functional keys for one label: callers see to both.
    """

    @property
    def block_bytes(self) -> int:
        """Chunk size of a stored body: one leaf of its DAG is one independent encryption block."""
        ...

    def encoding_for(self, bits: int, fields: int) -> Encoding: ...

    def encrypt(
        self,
        master_keys: Mapping[Subset, bytes],
        label: bytes,
        nonce: bytes,
        values: npt.NDArray[np.int64],
        encoding: Encoding,
        noise_key: bytes,
    ) -> bytes: ...

    def partial_key(self, j: int, m: int, t: int, label: bytes, entries: Sequence[Entry]) -> bytes: ...

    def combine(self, partials: Mapping[int, bytes], m: int, t: int) -> FunctionalKey: ...

    def functional_key_bytes(self, key: FunctionalKey) -> bytes: ...

    def aggregator(self, encoding: Encoding, dimension: int) -> Aggregator: ...

    def decrypt(
        self,
        words: npt.NDArray[np.uint64],
        label: bytes,
        functional_key: FunctionalKey,
        encoding: Encoding,
        dimension: int,
        weights: Sequence[int],
    ) -> Opened: ...


class Fe64:
    """``FE64-A/1`` of ``encryption.md`` section 3: ring-LWE, a key of constant size."""

    block_bytes = encoding.BLOCK_BYTES
    encoding_for = staticmethod(Encoding)
    encrypt = staticmethod(client.encrypt)
    partial_key = staticmethod(functional_key.partial_key)
    combine = staticmethod(functional_key.combine)
    functional_key_bytes = staticmethod(functional_key.functional_key_bytes)
    aggregator = staticmethod(aggregate.Aggregator)
    decrypt = staticmethod(aggregate.decrypt)


_SUITES: dict[str, Suite] = {encoding.SUITE: Fe64()}


def suite(name: str) -> Suite:
    """The suite of that name. Raises EncryptionError ``E_PARAMS`` for an unknown one."""
    try:
        return _SUITES[name]
    except KeyError:
        raise EncryptionError(f"unknown encryption suite {name!r}", code="E_PARAMS") from None
