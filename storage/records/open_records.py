"""A server's streams of records: in a database in its folder, or under its owner's name in another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from protocol.identifiers import Address, to_hex
from storage.records.database import Database, database_url
from storage.records.database_records import DatabaseRecords
from storage.records.interface import RecordsError
from storage.records.mark import Mark
from storage.records.moving import DATABASE, adopt_journals, journals_in

MARKS: Final = "seen-"  # what the names of the files begin with


class OpenRecords:
    """Opens streams by their names. ``put_back``: the operator says that they are an older copy."""

    def __init__(self, database: Database, folder: Path, owner: str, put_back: bool) -> None:
        self._database, self._folder, self._owner, self._put_back = database, folder, owner, put_back
        self._marks: list[Mark] = []

    def __call__(self, name: str) -> DatabaseRecords:
        """Raises RecordsError."""
        mark = Mark(self._folder / f"{MARKS}{name}")
        self._marks.append(mark)
        if self._put_back:
            mark.doubt()
        return self._database.records(f"{self._owner}/{name}", mark)

    @property
    def are_older(self) -> bool:
        """Than what this machine has seen: something may have been signed that is not in them. It stays so until
        :meth:`trust`, whenever the process is killed."""
        return any(mark.is_doubted for mark in self._marks)

    def trust(self) -> None:
        """What may have been signed is known, and will not be signed otherwise. Raises RecordsError."""
        for mark in self._marks:
            mark.trust()

    def close(self) -> None:
        for mark in self._marks:
            mark.close()


@contextmanager
def open_records(folder: Path, database: URL | None, owner: Address, put_back: bool = False) -> Iterator[OpenRecords]:
    """What opens a stream by its name, until it is left. A database may hold those of many owners.

    Without a ``database`` they are in one in the folder, which one process has at a time; journals of an older version
    are moved into it. Raises RecordsError.
    """
    name = to_hex(owner)
    with ExitStack() as opened:
        if database is None:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                adopt_journals(folder, name)
            except OSError as error:
                raise RecordsError(f"{folder}: {error.strerror or error}; is the folder one to write into?") from error
        of_all = opened.enter_context(Database(database or database_url(f"sqlite:///{folder / DATABASE}")))
        of_all.hold(name, alone=database is None)
        if database is not None and not of_all.streams(name):
            _refuse_left_behind(folder)
        records = OpenRecords(of_all, folder, name, put_back)
        opened.callback(records.close)
        yield records


def _refuse_left_behind(folder: Path) -> None:
    """Whoever starts again without its records may sign a second time what is in them."""
    if journals_in(folder) or (folder / DATABASE).exists():
        raise RecordsError(
            f"the database has no records of this account, and {folder} has: `hearth records move` first"
        )
