"""One stream of records in a database. Several processes may append to it, and hold leases on what it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from protocol.identifiers import ZERO_DIGEST, Digest, sha256
from protocol.text import shown
from storage.records.codec import StoredBlob, StoredEntry, encode_change, typed
from storage.records.interface import (
    MAX_BLOB_BYTES,
    Change,
    EntryT,
    OvertakenError,
    RecordsDamagedError,
    RecordsError,
)
from storage.records.mark import Mark
from storage.records.tables import BLOBS, ENTRIES, LEASES, STREAMS

PAGE: Final = 500  # entries that are read at once


def why(error: Exception) -> str:
    """One line, in the database's own words."""
    said = str(getattr(error, "orig", None) or getattr(error, "strerror", None) or error)
    return shown(said.strip().splitlines()[0] if said.strip() else type(error).__name__)


class DatabaseRecords:
    """Every entry has a checksum over itself and the checksum before it: what was changed or lost since is damage."""

    def __init__(
        self,
        engine: Engine,
        stream: str,
        name: str,
        erased: Callable[[], None],
        lengths: dict[str, int] | None = None,
        mark: Mark | None = None,
    ) -> None:
        """``name``: of the database, for messages. ``erased`` is called after blobs went. ``lengths``: of the streams
        to which this process alone appends. ``mark`` is told what was seen. Raises RecordsError."""
        self._engine, self._where, self._erased, self._closed = engine, f"{name}: {stream}", erased, False
        self._name, self._lengths, self._mark = stream, lengths, mark
        self._upsert = _upsert_of(engine)
        with self._transaction() as connection:
            new = {"name": stream, "length": 0}
            connection.execute(self._upsert(STREAMS).values(new).on_conflict_do_nothing(index_elements=["name"]))
            self._stream: int = connection.execute(select(STREAMS.c.id).where(STREAMS.c.name == stream)).scalar_one()

    def close(self) -> None:
        """The database stays open: others may have records in it."""
        self._closed = True

    def append(self, change: Change, after: int) -> None:
        batch, _ = encode_change(change)
        try:
            with self._transaction() as connection:
                self._lengthen(connection, after, len(batch.entries))
                check = self._insert(connection, batch.entries, after, self._checksum(connection, after))
                if batch.removed:
                    of_change = BLOBS.c.stream == self._stream, BLOBS.c.name.in_(batch.removed)
                    connection.execute(delete(BLOBS).where(*of_change))
                for kept in batch.kept:
                    self._keep(connection, kept, change.keep[kept.name])
        except OvertakenError:
            raise
        except RecordsError:
            self._forget_length()  # it may have been written
            raise
        if self._lengths is not None:
            self._lengths[self._name] = after + len(batch.entries)
        self._seen(after + len(batch.entries), check)
        if batch.kept or batch.removed:
            self._erased()

    def read(self, types: Sequence[type[EntryT]], after: int = 0) -> Iterator[EntryT]:
        """Checks what it reads, up to the last entry at the time of the call."""
        if self._lengths is not None and self._lengths.get(self._name) == after and not self._closed:
            return iter(())
        return (typed(stored, types) for stored in self.stored(after))

    def stored(self, after: int = 0) -> Iterator[StoredEntry]:
        """The same as they are written, of any type."""
        with self._transaction(reads=True) as connection:
            end: int = connection.execute(select(STREAMS.c.length).where(STREAMS.c.id == self._stream)).scalar_one()
            if after > end:
                raise RecordsDamagedError(f"{self._where}: {end} entries, where {after} had been: was a copy put back?")
            if self._lengths is not None:
                self._lengths.setdefault(self._name, end)
            if after == end:
                return iter(())
            return self._entries(after, end, self._checksum(connection, after))

    def kept(self) -> dict[str, Digest]:
        """Digests of all blobs by their names."""
        with self._transaction(reads=True) as connection:
            found = connection.execute(select(BLOBS.c.name, BLOBS.c.digest).where(BLOBS.c.stream == self._stream)).all()
        return {name: bytes(digest) for name, digest in found}

    def fill(self, entries: Iterable[StoredEntry], blobs: Iterable[tuple[StoredBlob, bytes]]) -> None:
        """An empty stream, with all of it or nothing. Raises OvertakenError where there is something, RecordsError."""
        self._forget_length()
        with self._transaction() as connection:
            count, check = 0, ZERO_DIGEST
            for page in _pages(entries):
                self._lengthen(connection, count, len(page))
                check, count = self._insert(connection, page, count, check), count + len(page)
            if connection.execute(select(func.count()).where(BLOBS.c.stream == self._stream)).scalar_one():
                raise OvertakenError(f"{self._where}: there are blobs")
            for kept, content in blobs:
                self._keep(connection, kept, content)

    def drop(self, length: int) -> None:
        """The stream is empty afterwards. Raises OvertakenError when it has another length by now, RecordsError."""
        self._forget_length()
        with self._transaction() as connection:
            self._lengthen(connection, length, -length)
            for table in (ENTRIES, BLOBS):
                connection.execute(delete(table).where(table.c.stream == self._stream))
        self._erased()

    def checksum(self, after: int) -> Digest | None:
        """Of the last of the first ``after`` entries; None where there are fewer."""
        with self._transaction(reads=True) as connection:
            try:
                return self._checksum(connection, after)
            except RecordsDamagedError:
                return None

    def blob(self, name: str, max_bytes: int = MAX_BLOB_BYTES) -> bytes:
        ours = (BLOBS.c.stream == self._stream, BLOBS.c.name == name)
        with self._transaction(reads=True) as connection:
            found = connection.execute(select(BLOBS.c.digest, func.length(BLOBS.c.content)).where(*ours)).one_or_none()
            if found is None:
                raise RecordsError(f"{self._where}: nothing is kept as {name[:64]!r}")
            digest, size = found
            if size > max_bytes:
                raise RecordsError(f"{name}: larger than {max_bytes} bytes")
            data = bytes(connection.execute(select(BLOBS.c.content).where(*ours)).scalar_one())
        if sha256(data) != digest:
            raise RecordsDamagedError(f"{self._where}: {name} is not what was recorded")
        return data

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        """One statement decides, so that of two processes one alone has it."""
        row = self._row(name=name, holder=holder, until=until)
        taken = self._put(
            LEASES, row, {"holder": holder, "until": until}, (LEASES.c.holder == holder) | (LEASES.c.until <= now)
        )
        with self._transaction() as connection:
            return connection.execute(taken.returning(LEASES.c.holder)).one_or_none() is not None

    def _lengthen(self, connection: Connection, length: int, more: int) -> None:
        moved = update(STREAMS).where(STREAMS.c.id == self._stream, STREAMS.c.length == length)
        if connection.execute(moved.values(length=length + more)).rowcount != 1:
            raise OvertakenError(f"{self._where}: other than {length} entries")

    def _insert(self, connection: Connection, entries: Sequence[StoredEntry], after: int, check: Digest) -> Digest:
        """Returns the checksum of the last one."""
        rows = list[dict[str, Any]]()
        for position, stored in enumerate(entries, after):
            check = _chained(check, stored)
            rows.append(self._row(position=position, kind=stored.kind, body=stored.body, checksum=check))
        connection.execute(insert(ENTRIES), rows)
        return check

    def _keep(self, connection: Connection, kept: StoredBlob, content: bytes) -> None:
        row = self._row(name=kept.name, digest=kept.digest, content=content)
        connection.execute(self._put(BLOBS, row, {"digest": kept.digest, "content": content}))

    def _seen(self, count: int, check: Digest) -> None:
        if self._mark is not None:
            self._mark.note(count, check)

    def _forget_length(self) -> None:
        if self._lengths is not None:
            self._lengths.pop(self._name, None)

    def _put(self, table: Table, row: Mapping[str, Any], changed: Mapping[str, Any], where: Any = None) -> Any:
        return (
            self._upsert(table)
            .values(row)
            .on_conflict_do_update(index_elements=["stream", "name"], set_=dict(changed), where=where)
        )

    def _row(self, **columns: Any) -> dict[str, Any]:
        return {"stream": self._stream, **columns}

    def _entries(self, after: int, end: int, check: Digest) -> Iterator[StoredEntry]:
        for first in range(after, end, PAGE):
            for row in self._page(first, min(first + PAGE, end)):
                stored = StoredEntry(row.kind, row.body)
                check = _chained(check, stored)
                if check != row.checksum:
                    raise RecordsDamagedError(f"{self._where}: entry {row.position} is not what was recorded")
                yield stored
        self._seen(end, check)

    def _page(self, first: int, end: int) -> Sequence[Row[Any]]:
        of_page = (ENTRIES.c.stream == self._stream, ENTRIES.c.position >= first, ENTRIES.c.position < end)
        with self._transaction(reads=True) as connection:
            rows = connection.execute(select(ENTRIES).where(*of_page).order_by(ENTRIES.c.position)).all()
        if len(rows) != end - first:
            raise RecordsDamagedError(f"{self._where}: {end - first - len(rows)} entries are gone")
        return rows

    def _checksum(self, connection: Connection, after: int) -> Digest:
        """Of the last of the first ``after`` entries."""
        if after == 0:
            return ZERO_DIGEST
        last = (ENTRIES.c.stream == self._stream, ENTRIES.c.position == after - 1)
        found: bytes | None = connection.execute(select(ENTRIES.c.checksum).where(*last)).scalar_one_or_none()
        if found is None:
            raise RecordsDamagedError(f"{self._where}: entry {after - 1} is gone")
        return bytes(found)

    @contextmanager
    def _transaction(self, reads: bool = False) -> Iterator[Connection]:
        """Durable when it is left, or nothing of it happened. Raises RecordsError."""
        if self._closed:
            raise RecordsError(f"{self._where}: closed")
        try:
            with self._engine.connect().execution_options(reads=reads) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            raise RecordsError(f"{self._where}: {why(error)}") from error


def _upsert_of(engine: Engine) -> Callable[[Table], Any]:
    """Its dialect's own INSERT: each takes a process a while to load."""
    if engine.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert


def _pages(entries: Iterable[StoredEntry]) -> Iterator[list[StoredEntry]]:
    rest = iter(entries)
    while page := list(islice(rest, PAGE)):
        yield page


def _chained(previous: Digest, stored: StoredEntry) -> Digest:
    return sha256(previous + stored.kind.encode("ascii") + b" " + stored.body.encode("ascii"))
