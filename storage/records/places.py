"""Copies the records of one account from one place to another: journals in a folder, or a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy.engine import URL

from protocol.identifiers import Address, to_hex
from storage.records.database import Database
from storage.records.interface import RecordsError
from storage.records.journal import Journal
from storage.records.moving import DATABASE, STREAMS, Fillable, Stream, copy, erase_journal, new_journal, verify


class Place(Protocol):
    """Held alone while it is open: no server uses it meanwhile."""

    name: str

    def streams(self) -> list[str]: ...

    def read(self, stream: str) -> Stream: ...

    def write(self, stream: str) -> Fillable:
        """An empty stream that is there once the place is closed without an error."""
        ...

    def erase(self, stream: str, length: int) -> None: ...


class InDatabase:
    def __init__(self, database: Database, owner: str) -> None:
        self.name, self._database, self._owner = database.name, database, owner

    def streams(self) -> list[str]:
        return [name.removeprefix(f"{self._owner}/") for name in self._database.streams(self._owner)]

    def read(self, stream: str) -> Stream:
        return self._database.records(f"{self._owner}/{stream}")

    def write(self, stream: str) -> Fillable:
        return self._database.records(f"{self._owner}/{stream}")

    def erase(self, stream: str, length: int) -> None:
        self._database.records(f"{self._owner}/{stream}").drop(length)


class InJournals:
    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self.name, self._folder, self._opened, self._made = (
            str(folder),
            folder,
            opened,
            opened.enter_context(ExitStack()),
        )

    def streams(self) -> list[str]:
        return [name for name in STREAMS if (self._folder / name).exists()]

    def read(self, stream: str) -> Stream:
        return self._opened.enter_context(Journal(self._folder / stream))

    def write(self, stream: str) -> Fillable:
        return self._made.enter_context(new_journal(self._folder / stream))

    def erase(self, stream: str, length: int) -> None:
        erase_journal(self._folder / stream)


@contextmanager
def opened_place(where: Path | URL, owner: Address) -> Iterator[Place]:
    """Raises RecordsError, RecordsBusyError."""
    with ExitStack() as opened:
        if isinstance(where, Path):
            if (where / DATABASE).exists():
                raise RecordsError(f"{where} holds a database: name it by its address, sqlite:///{where / DATABASE}")
            yield InJournals(where, opened)
        else:
            database = opened.enter_context(Database(where))
            database.hold(to_hex(owner), alone=True)
            yield InDatabase(database, to_hex(owner))


def transfer(source: Path | URL, target: Path | URL, owner: Address, *, erase: bool) -> dict[str, int]:
    """Copies every stream, compares it, and with ``erase`` erases it where it was. The numbers of entries by stream.

    What is there already must be the same, so whoever was killed meanwhile does it again. Raises RecordsError.
    """
    counts = dict[str, int]()
    with opened_place(source, owner) as one:
        streams = {name: one.read(name) for name in one.streams()}
        if not streams:
            raise RecordsError(f"{one.name} has no records of {to_hex(owner)}")
        with opened_place(target, owner) as other:
            there = other.streams()
            for name, stream in streams.items():
                counts[name] = verify(stream, other.read(name)) if name in there else copy(stream, other.write(name))
        for name in sorted(streams, key=STREAMS.index, reverse=True) if erase else ():
            one.erase(name, counts[name])
    return counts
