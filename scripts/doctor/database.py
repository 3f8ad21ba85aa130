"""The database of a server's records: whether it is there, of which version, and whether an entry could be kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.doctor.subject import Subject
from scripts.doctor.verdict import Finding, Verdict, examined, fail, ok, skipped, warn

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import URL

SLOW_SECONDS: Final = 0.05  # for one question: every signature waits for a few of them
QUESTIONS: Final = 5
_REMEDY: Final = "is it running there, and may this user use it? --database-password-file names a password"


def database_findings(subject: Subject) -> Iterator[Finding]:
    if subject.database is None:
        yield Finding("database", skipped("no --database"))
        return
    url, opened = subject.database, list["Engine"]()
    first = examined("database", lambda: reachable(url, opened), _REMEDY)
    yield first
    for engine in opened:
        yield examined("schema", partial(schema, engine), _REMEDY)
        yield examined("records write", partial(writable, engine), _REMEDY)
        engine.dispose()


def reachable(url: URL, opened: list[Engine], clock: Callable[[], float] = time.perf_counter) -> Verdict:
    """Nothing is made or changed."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    from storage.records.database import open_engine
    from storage.records.database_records import why

    name = url.render_as_string(hide_password=True)
    if url.drivername == "sqlite" and not Path(url.database or "").is_file():
        return warn(f"{name} is not there", "its server makes it when it starts")
    try:
        engine = open_engine(url)
    except ImportError:
        return fail("PostgreSQL needs the extra hearth-fl[postgres]", "pip install 'hearth-fl[postgres]'")
    seconds = list[float]()
    try:
        for _ in range(QUESTIONS):
            begun = clock()
            with engine.connect().execution_options(reads=True) as connection:
                connection.execute(text("SELECT 1"))
            seconds.append(clock() - begun)
    except SQLAlchemyError as error:
        engine.dispose()
        return fail(f"{name}: {why(error)}", _REMEDY)
    opened.append(engine)
    took = min(seconds)
    said = f"{name} answers in {1000 * took:.1f} ms"
    return warn(said, "move it closer: every signature waits for it") if took > SLOW_SECONDS else ok(said)


def schema(engine: Engine) -> Verdict:
    from alembic.runtime.migration import MigrationContext

    from storage.records.upgrade import NEWEST

    with engine.connect().execution_options(reads=True) as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found == NEWEST:
        return ok(f"version {found}, as this program's")
    if found is None:
        return warn("no tables of this program", "its server makes them when it starts")
    if found < NEWEST:
        remedy = "its server brings it up when it starts; back it up first"
        return warn(f"version {found}, this program's is {NEWEST}", remedy)
    return fail(f"version {found} is newer than this program's {NEWEST}", "upgrade this program")


def writable(engine: Engine) -> Verdict:
    """An entry is written and taken back."""
    from sqlalchemy import insert
    from sqlalchemy.exc import SQLAlchemyError

    from storage.records.database_records import why
    from storage.records.tables import STREAMS

    try:
        with engine.connect() as connection, connection.begin() as transaction:
            connection.execute(insert(STREAMS).values(name="hearth doctor", length=0))
            transaction.rollback()
    except SQLAlchemyError as error:
        return fail(f"nothing can be written: {why(error)}", "give its user the right to, and the disk room")
    return ok("an entry was written and taken back")
