"""How a change is written: each entry in its canonical encoding, under the name of its type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import Final

from protocol.canonical import decode, encode
from protocol.errors import MalformedError
from protocol.identifiers import Digest, sha256
from storage.records.interface import Change, EntryT, RecordsDamagedError

MAX_BATCH_BYTES: Final = 4 * 1024 * 1024

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """``kind`` is the name of the entry's type, ``body`` its canonical encoding."""

    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class StoredBlob:
    name: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Batch:
    """A change without the content of its blobs."""

    entries: tuple[StoredEntry, ...]
    kept: tuple[StoredBlob, ...]
    removed: tuple[str, ...]


def encode_change(change: Change) -> tuple[Batch, bytes]:
    """The batch and its encoding. Raises MalformedError for what could not be read again as it is."""
    if not change.entries or not all(is_dataclass(entry) for entry in change.entries):
        raise MalformedError("a change has one entry or more, each a dataclass")
    for name in (*change.keep, *change.remove):
        if not _NAME.fullmatch(name):
            raise MalformedError(f"not a name of a blob: {name[:64]!r}")
    try:
        entries = [StoredEntry(type(entry).__name__, encode(entry).decode("ascii")) for entry in change.entries]
    except ValueError as error:
        raise MalformedError(f"an entry has a number that is too large: {error}") from error
    kept = [StoredBlob(name, sha256(data)) for name, data in change.keep.items()]
    batch = Batch(tuple(entries), tuple(kept), change.remove)
    encoded = encode(batch)
    if len(encoded) > MAX_BATCH_BYTES:
        raise MalformedError(f"a change of {len(encoded)} bytes, where {MAX_BATCH_BYTES} fit; blobs hold more")
    return batch, encoded


def decode_batch(data: bytes) -> Batch:
    """Raises MalformedError."""
    return decode(Batch, data, MAX_BATCH_BYTES)


def typed(stored: StoredEntry, types: Sequence[type[EntryT]]) -> EntryT:
    """Raises RecordsDamagedError for an entry of no such type or with other fields."""
    for entry_type in types:
        if entry_type.__name__ == stored.kind:
            try:
                return decode(entry_type, stored.body.encode("ascii"))
            except MalformedError as error:
                raise RecordsDamagedError(f"an entry has another form: {error.args[0]}") from error
    raise RecordsDamagedError(f"an entry of unknown type {stored.kind[:64]}")
