"""The file of a household's readings: SQLite, opened so that what is committed survives any kill, and checked."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from protocol.errors import HearthError
from storage.durable_file import sync_folder

VERSION: Final = 1
_APPLICATION: Final = 0x48524447
_BUSY_SECONDS: Final = 10.0  # another process's change takes less
_SCHEMA: Final = """
CREATE TABLE devices (device TEXT PRIMARY KEY, name TEXT, manufacturer TEXT, model TEXT, available INTEGER)
    WITHOUT ROWID;
CREATE TABLE plugs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, channel TEXT NOT NULL,
    power_unit TEXT NOT NULL DEFAULT '', energy_unit TEXT NOT NULL DEFAULT '',
    watts REAL, row_at INTEGER, seen INTEGER, clock REAL, stamp TEXT NOT NULL DEFAULT '',
    counter REAL, counter_at INTEGER, appliance INTEGER, same_as INTEGER, UNIQUE (device, channel));
CREATE TABLE appliances (
    id INTEGER PRIMARY KEY AUTOINCREMENT, plug INTEGER NOT NULL, kind TEXT NOT NULL, brand TEXT NOT NULL,
    since INTEGER NOT NULL);
CREATE TABLE purposes (plug INTEGER NOT NULL, purpose TEXT NOT NULL, PRIMARY KEY (plug, purpose)) WITHOUT ROWID;
CREATE TABLE readings (plug INTEGER NOT NULL, at INTEGER NOT NULL, watts REAL, PRIMARY KEY (plug, at)) WITHOUT ROWID;
CREATE TABLE energy (plug INTEGER NOT NULL, hour INTEGER NOT NULL, wh REAL NOT NULL, PRIMARY KEY (plug, hour))
    WITHOUT ROWID;
CREATE TABLE windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, plug INTEGER NOT NULL, appliance INTEGER NOT NULL, purpose TEXT NOT NULL,
    start INTEGER NOT NULL, inputs BLOB NOT NULL, label REAL NOT NULL, content BLOB NOT NULL,
    UNIQUE (appliance, purpose, start), UNIQUE (purpose, content));
CREATE TABLE progress (appliance INTEGER NOT NULL, purpose TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (appliance, purpose)) WITHOUT ROWID;
CREATE TABLE refused (why TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE moments (name TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
"""


class ReadingsError(HearthError):
    """The readings cannot be read or written."""

    code = "E_READINGS"


class ReadingsFullError(ReadingsError):
    """There is no room for more; everything that was stored before is."""

    code = "E_READINGS_FULL"


class Database:
    """One connection, for all threads of this process; other processes have their own."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Makes the file, 0600, and its folder, 0700. Raises ReadingsError for anything else than readings of this
        version."""
        self._path, self._lock = path, threading.RLock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600))
            sync_folder(path.parent)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=64
            )
        except (OSError, ValueError, sqlite3.Error) as error:
            raise _explained(path, error) from error
        try:
            self._prepare(max_bytes)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """All that the block changes, or nothing of it. Raises ReadingsError."""
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of everything, whoever changes it meanwhile."""
        with self._lock, self._told():
            if self._connection.in_transaction:  # within a change
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def used_bytes(self) -> int:
        """Without what deletions have freed."""
        with self._lock, self._told():
            ask = self._connection.execute
            pages, free = ask("PRAGMA page_count").fetchone()[0], ask("PRAGMA freelist_count").fetchone()[0]
            return int((pages - free) * ask("PRAGMA page_size").fetchone()[0])

    def give_back(self) -> None:
        """Room that deletions have freed, to the file system."""
        with self._lock, self._told():
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _prepare(self, max_bytes: int) -> None:
        with self._told():
            ask = self._connection.execute
            ask("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; another keeps what it has
            if ask("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise ReadingsError(f"{self._path}: this file system has no write-ahead log for SQLite")
            ask("PRAGMA synchronous = FULL")
            ask("PRAGMA secure_delete = ON")  # what an owner deletes is overwritten
            ask("PRAGMA trusted_schema = OFF")
            page = ask("PRAGMA page_size").fetchone()[0]
            ask(f"PRAGMA max_page_count = {max(64, max_bytes // page)}")
        with self.changing() as connection:
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if not tables and not version:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            elif application != _APPLICATION:
                raise ReadingsError(f"{self._path}: a database of another program")
            elif version != VERSION:
                raise ReadingsError(f"{self._path}: readings of version {version}; this program knows {VERSION}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _explained(self._path, error) from error


def _explained(path: Path, error: Exception) -> ReadingsError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return ReadingsFullError(f"{path}: no room for more readings")
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return ReadingsError(f"{path}: damaged, or no readings: {error}")
    why = error.strerror if isinstance(error, OSError) else str(error)
    return ReadingsError(f"{path}: {why}")
