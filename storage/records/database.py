"""A database with streams of records: a SQLite file, or PostgreSQL by its address.

Opening brings its tables up to this version. A database of a newer version is refused.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Final, Self, cast

from sqlalchemy import Connection, Engine, TextClause, create_engine, event, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from protocol.errors import MalformedError
from protocol.identifiers import sha256
from protocol.text import shown
from storage.records.database_records import DatabaseRecords, why
from storage.records.interface import RecordsBusyError, RecordsError
from storage.records.mark import Mark
from storage.records.tables import STREAMS
from storage.records.upgrade import upgrade

BUSY_MILLISECONDS: Final = 30_000  # that a writer waits for another one of the same file
CONNECT_SECONDS: Final = 10
POOL_CONNECTIONS: Final = 20
UPGRADE_LOCK: Final = 0x4845_4152  # one process at a time changes tables, PostgreSQL's advisory lock
RECORDS_LOCK: Final = 0x4845_4153  # with a number of each owner of records: in use


def database_url(written: str, password: str | None = None) -> URL:
    """``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``. Raises MalformedError, also for a password inside:
    everybody on the machine can read a command line."""
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:
        raise MalformedError("no address of a database: sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    if url.password is not None:
        raise MalformedError("the address of a database holds a password; put it into a file and name that file")
    if url.drivername == "sqlite":
        if not url.database or url.database == ":memory:" or url.query:
            raise MalformedError("the address of a SQLite database names its file alone: sqlite:///FILE")
        return url
    if url.drivername != "postgresql":
        raise MalformedError(f"a database of another kind: {shown(url.drivername)}; sqlite and postgresql are known")
    return url.set(drivername="postgresql+psycopg", password=password)


class Database:
    """May be shared by threads. Other processes may have it open at the same time."""

    def __init__(self, url: URL) -> None:
        """Raises RecordsError: cannot be opened, or its tables are of a newer version."""
        self.name = url.render_as_string(hide_password=True)
        self._file = Path(url.database or "") if url.drivername == "sqlite" else None
        self._held, self._lengths = ExitStack(), cast("dict[str, int] | None", None)
        try:
            self._engine = open_engine(url)
            with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": UPGRADE_LOCK})
                upgrade(connection, self.name)
            self._forget_erased()  # whoever was killed before it could
        except ImportError as error:
            raise RecordsError(f"{self.name}: PostgreSQL needs the extra hearth-fl[postgres]") from error
        except (SQLAlchemyError, OSError) as error:
            raise RecordsError(f"{self.name}: cannot open: {why(error)}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._held.close()
        self._engine.dispose()

    def hold(self, owner: str, alone: bool) -> None:
        """Until it is closed: with others that use the records of ``owner``, or ``alone``. Of a SQLite file all records
        are held. PostgreSQL forgets it when it is started again.

        Raises RecordsBusyError when another process holds them in another way.
        """
        try:
            if self._file is not None:
                self._held.enter_context(held_file(self._file, alone))
                self._lengths = {} if alone else None
                return
            connection = self._held.enter_context(
                self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            )
            number = int.from_bytes(sha256(owner.encode("ascii"))[:4], "big", signed=True)
            sort, lock = "" if alone else "_shared", {"kind": RECORDS_LOCK, "number": number}
            take, give_back = (
                text(f"SELECT pg_{act}{sort}(:kind, :number)") for act in ("try_advisory_lock", "advisory_unlock")
            )
            if not connection.execute(take, lock).scalar_one():
                raise RecordsBusyError(f"{self.name}: in use by another process")
            # before the connection is closed, which the server may notice late
            self._held.callback(_give_back, connection, give_back, lock)
        except (SQLAlchemyError, OSError) as error:
            raise RecordsError(f"{self.name}: {why(error)}") from error

    def records(self, stream: str, mark: Mark | None = None) -> DatabaseRecords:
        """The stream of that name; an empty one where there is none. ``mark``: of it, on this machine.

        Raises RecordsError.
        """
        found = DatabaseRecords(self._engine, stream, self.name, self._forget_erased, self._lengths, mark)
        if mark is not None:
            mark.compare(found.checksum)
        return found

    def streams(self, owner: str) -> list[str]:
        """Names of those of ``owner`` with entries, ascending. Raises RecordsError."""
        of_owner = STREAMS.c.name.startswith(f"{owner}/", autoescape=True)
        query = select(STREAMS.c.name).where(of_owner, STREAMS.c.length > 0).order_by(STREAMS.c.name)
        try:
            with self._engine.connect().execution_options(reads=True) as connection, connection.begin():
                return list(connection.execute(query).scalars())
        except SQLAlchemyError as error:
            raise RecordsError(f"{self.name}: {why(error)}") from error

    def _forget_erased(self) -> None:
        """SQLite's log still holds what was deleted or replaced until it is written back; a reader may delay that."""
        if self._engine.dialect.name == "sqlite":
            with closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _give_back(connection: Connection, statement: TextClause, lock: Mapping[str, int]) -> None:
    """A server that cannot be asked any more has given it back already."""
    with suppress(SQLAlchemyError):
        connection.execute(statement, lock)


@contextmanager
def held_file(path: Path, alone: bool) -> Iterator[None]:
    """The SQLite file at ``path``, by a file beside it: closing the file itself would end SQLite's own locks.

    Raises RecordsBusyError, OSError.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise RecordsBusyError(f"{path}: in use by another process") from error
    finally:
        os.close(descriptor)


def open_engine(url: URL) -> Engine:
    """Of :func:`database_url`; a SQLite file is made where there is none. Raises ImportError, OSError."""
    return _sqlite(Path(url.database or "")) if url.drivername == "sqlite" else _postgresql(url)


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=POOL_CONNECTIONS,
        pool_pre_ping=True,  # the server may have been started again
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "client_encoding": "utf8",
        },  # of SQL_ASCII it would give bytes
    )


def _sqlite(path: Path) -> Engine:
    """Durable on return of a commit; what is deleted is overwritten."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    path.chmod(0o600)
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_MILLISECONDS / 1000, "isolation_level": None},  # transactions are begun below
        pool_size=POOL_CONNECTIONS,
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        """A reader that became a writer later could be refused without waiting."""
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine
