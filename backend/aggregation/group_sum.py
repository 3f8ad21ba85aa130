"""The work of one worker, as pure functions: verify and add a group of ciphertexts, merge the sums of groups.

A task says all that it needs: digests, weights, suite, sizes, and where the content is. Whoever does it again, on
whatever machine, gets the same sum, so a task of a worker that died is given to another one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from backend.aggregation.fetching import BodySize, fetch_body
from protocol.encryption.port import Encoding, PartialSum
from protocol.encryption.suite import suite
from protocol.errors import VerificationError
from protocol.identifiers import Address, Digest
from protocol.screening.verdict import Unfit
from storage.content.interface import ContentError, ContentStore, StoreUnavailableError
from storage.content.open_store import open_store

UNREACHED: Final = "the store is away"
_ATTEMPTS: Final = 1  # what a worker cannot read the edge server asks for itself, with patience


@dataclass(frozen=True, slots=True)
class GroupEntry:
    client: Address
    ciphertext: Digest
    weight: int


@dataclass(frozen=True, slots=True)
class GroupTask:
    """``store``: location of the content store as workers reach it, for :func:`open_store`."""

    store: str
    suite: str
    bits: int
    packing: int
    dimension: int
    size: BodySize
    entries: tuple[GroupEntry, ...]

    @property
    def encoding(self) -> Encoding:
        return suite(self.suite).encoding_for(self.bits, self.packing)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A client whose ciphertext a worker could not add, and why not; the edge server looks for itself."""

    client: Address
    why: str


@dataclass(frozen=True, slots=True)
class GroupSum:
    """``clients``: whose verified ciphertexts are in ``partial``, in the order of its weights. ``digest``: of both."""

    suite: str
    clients: tuple[Address, ...]
    partial: PartialSum
    doubts: tuple[Doubt, ...]
    digest: Digest

    @classmethod
    def of(cls, name: str, clients: Sequence[Address], partial: PartialSum, doubts: Sequence[Doubt]) -> GroupSum:
        return cls(name, tuple(clients), partial, tuple(doubts), _digest(clients, partial))

    def check(self) -> None:
        """Raises VerificationError where it is not what its worker made."""
        if len(self.clients) != len(self.partial.weights) or _digest(self.clients, self.partial) != self.digest:
            raise VerificationError("a partial sum is not the one that its worker made")


def fold_group(task: GroupTask) -> GroupSum:
    """Memory is that of one ciphertext and one sum."""
    store = _store(task.store)
    running = suite(task.suite).aggregator(task.encoding, task.dimension)
    clients, doubts = list[Address](), list[Doubt]()
    for entry in task.entries:
        if doubts and doubts[-1].why == UNREACHED:
            doubts.append(Doubt(entry.client, UNREACHED))
            continue
        try:
            body = fetch_body(store, entry.ciphertext, task.size, time.sleep, _ATTEMPTS)
        except StoreUnavailableError:
            doubts.append(Doubt(entry.client, UNREACHED))
            continue
        except ContentError as error:
            doubts.append(Doubt(entry.client, error.code))
            continue
        if isinstance(body, Unfit):
            doubts.append(Doubt(entry.client, body.value))
            continue
        running.fold(body, entry.weight)
        clients.append(entry.client)
        del body  # before the next one is fetched
    return GroupSum.of(task.suite, clients, running.partial, doubts)


def merge_groups(parts: Sequence[GroupSum]) -> GroupSum:
    """Raises VerificationError for a part that is not what its worker made, and like ``Aggregator.merge``."""
    first = parts[0].partial
    running = suite(parts[0].suite).aggregator(first.encoding, first.dimension)
    for part in parts:
        part.check()
        running.merge(part.partial)
    clients = [client for part in parts for client in part.clients]
    return GroupSum.of(parts[0].suite, clients, running.partial, [doubt for part in parts for doubt in part.doubts])


def _digest(clients: Sequence[Address], partial: PartialSum) -> Digest:
    hashed = hashlib.sha256(b"HEARTH/group-sum/1" + len(clients).to_bytes(8, "big"))
    hashed.update(b"".join(clients) + bytes(partial.weights))
    hashed.update(np.ascontiguousarray(partial.words).data)
    return hashed.digest()


@cache
def _store(location: str) -> ContentStore:
    """One for each process: it keeps its connections."""
    return open_store(location)
