"""A role's streams of records: journals in its folder, or under its owner's name in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from protocol.identifiers import Address, to_hex
from storage.records.interface import Records
from storage.records.journal import Journal

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@contextmanager
def open_records(folder: Path, database: URL | None, owner: Address) -> Iterator[Callable[[str], Records]]:
    """What opens a stream by its name, until it is left. A database may hold those of many owners.

    Raises RecordsError.
    """
    with ExitStack() as opened:
        if database is None:

            def stream(name: str) -> Records:
                return opened.enter_context(Journal(folder / name))
        else:
            from storage.records.database import Database

            of_all = opened.enter_context(Database(database))

            def stream(name: str) -> Records:
                return of_all.records(f"{to_hex(owner)}/{name}")

        yield stream
