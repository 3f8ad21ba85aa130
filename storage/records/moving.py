"""Moves records from one place to another: copied, read again and compared, and only then erased where they were.

Whoever is killed at any line leaves all of them where they were or where they go to, and what was half made is made
again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Final, Protocol

from protocol.identifiers import Digest
from storage.durable_file import sync_folder
from storage.records.codec import StoredBlob, StoredEntry
from storage.records.database import Database, database_url, held_file
from storage.records.interface import RecordsDamagedError, RecordsError
from storage.records.journal import Journal
from storage.records.snapshot import FILES

STREAMS: Final = ("journal", "inbox")  # of a server
DATABASE: Final = "records.sqlite3"
PARTIAL: Final = ".partial-"


class Stream(Protocol):
    """Of any records that can be moved."""

    def stored(self) -> Iterator[StoredEntry]: ...

    def kept(self) -> Mapping[str, Digest]: ...

    def blob(self, name: str) -> bytes: ...


class Fillable(Stream, Protocol):
    def fill(self, entries: Iterable[StoredEntry], blobs: Iterable[tuple[StoredBlob, bytes]]) -> None: ...


def copy(source: Stream, target: Fillable) -> int:
    """Into an empty stream. Returns the number of entries. Raises OvertakenError, RecordsError."""
    blobs = ((StoredBlob(name, digest), source.blob(name)) for name, digest in source.kept().items())
    target.fill(source.stored(), blobs)
    return verify(source, target)


def verify(source: Stream, target: Stream) -> int:
    """The number of entries of two streams that hold the same. Raises RecordsDamagedError."""
    count = 0
    for one, other in zip_longest(source.stored(), target.stored()):
        if one != other:
            raise RecordsDamagedError(f"the copy differs at entry {count}")
        count += 1
    kept = target.kept()
    if source.kept() != kept:
        raise RecordsDamagedError("the copy has other blobs")
    for name in kept:
        target.blob(name)  # which is what its digest says
    return count


def journals_in(folder: Path) -> list[str]:
    """Names of the server's journals there, and of those of which only files are left."""
    return [name for name in STREAMS if (folder / name).exists() or (folder / (name + FILES)).exists()]


def adopt_journals(folder: Path, owner: str) -> None:
    """Puts journals that a folder still has into a database there, under ``owner``.

    The database gets its name when all is in it: from then on it counts, and the journals are erased. Raises
    RecordsError, also when database and journals are both there and say different things.
    """
    if journals_in(folder):
        with held_file(folder / DATABASE, alone=True):
            _adopt(folder, folder / DATABASE, owner)


def _adopt(folder: Path, database: Path, owner: str) -> None:
    if not database.exists():
        partial = folder / f"{PARTIAL}{DATABASE}"
        _remove_database(partial)
        with Database(database_url(f"sqlite:///{partial}")) as opened:
            for name in journals_in(folder):
                with Journal(folder / name) as journal:
                    copy(journal, opened.records(f"{owner}/{name}"))
        if partial.with_name(partial.name + "-wal").exists():
            raise RecordsError(f"{partial}: in use by another process")
        os.replace(partial, database)
        sync_folder(folder)
    with Database(database_url(f"sqlite:///{database}")) as opened:
        for name in journals_in(folder):
            with Journal(folder / name) as journal:
                _refuse_other(journal, opened.records(f"{owner}/{name}"), folder)
                erase_journal(folder / name)
    _remove_database(folder / f"{PARTIAL}{DATABASE}")


def erase_journal(path: Path) -> None:
    """Raises RecordsError."""
    files = path.with_name(path.name + FILES)
    try:
        path.unlink(missing_ok=True)  # first: without it, its files are no records any more
        sync_folder(path.parent)
        if files.is_dir():
            for file in files.iterdir():
                file.unlink()
            files.rmdir()
            sync_folder(path.parent)
    except OSError as error:
        raise RecordsError(f"{path}: cannot be erased: {error.strerror or error}") from error


@contextmanager
def new_journal(path: Path) -> Iterator[Journal]:
    """One to be filled; it is at ``path`` once the block is left without an error. Raises RecordsError."""
    partial = path.with_name(PARTIAL + path.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    erase_journal(partial)
    with Journal(partial) as journal:
        yield journal
    try:
        if (made := partial.with_name(partial.name + FILES)).is_dir():
            os.replace(made, path.with_name(path.name + FILES))  # over an empty folder at most
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        raise RecordsError(f"{path}: cannot be written: {error.strerror or error}") from error


def _refuse_other(journal: Stream, stream: Stream, folder: Path) -> None:
    """The database went on from what is in the journal."""
    inside = stream.stored()
    if any(next(inside, None) != stored for stored in journal.stored()):
        raise RecordsError(
            f"{folder}: {DATABASE} and journals are there, and say different things: put one of them away"
        )


def _remove_database(path: Path) -> None:
    for end in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + end).unlink(missing_ok=True)
