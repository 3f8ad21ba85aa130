"""Entries for the tests of records, and a state that they fold to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

from protocol.identifiers import Digest, Range, Word
from storage.records.interface import Change, Records


@dataclass(frozen=True, slots=True)
class Paid:
    """Sizes and ranges are kept, too."""

    amount: Word
    note: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Moved:
    steps: Annotated[int, Range(-5, 5)]


@dataclass(frozen=True, slots=True)
class Both:
    """An entry may hold others."""

    paid: Paid
    moves: tuple[Moved, ...]


Entry = Paid | Moved | Both
ENTRIES = get_args(Entry)

FACTS: tuple[Entry, ...] = (
    Paid(2**256 - 1, 'quote " and \\ and ü and 0x', b"\xff" * 32),
    Moved(-5),
    Both(Paid(0, "", bytes(32)), (Moved(1), Moved(0))),
    Moved(2),
)


def entries_of(records: Records, after: int = 0) -> list[Entry]:
    return list(records.read(ENTRIES, after))


def append(records: Records, *entries: Entry, after: int | None = None, **blobs: bytes) -> None:
    """One change behind all that is there."""
    records.append(Change(entries, blobs), len(entries_of(records)) if after is None else after)


def append_each(records: Records, entries: Sequence[Entry]) -> None:
    for entry in entries:
        append(records, entry)
