"""A database of records: its file, its tables, what was changed in it, and what its address may say."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, text

from protocol.errors import MalformedError
from storage.records.database import Database, database_url
from storage.records.interface import Change, OvertakenError, RecordsDamagedError, RecordsError
from storage.records.tables import METADATA
from storage.records.upgrade import NEWEST, migrate, migrations, upgrade
from tests.ports.postgresql import running_postgresql
from tests.ports.record_samples import FACTS, Moved, append, append_each, entries_of

SECRET = b"an encryption key that is erased"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "records.sqlite3"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with Database(database_url(f"sqlite:///{path}")) as opened:
        yield opened


def _change(path: Path, statement: str) -> None:
    """As somebody would who has the file."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_new_database_has_the_tables_that_the_migrations_make(tmp_path: Path) -> None:
    made = {"new": upgrade, "migrated": migrate}
    for name, make in made.items():
        engine = create_engine(f"sqlite:///{tmp_path / name}")
        with engine.begin() as connection:
            make(connection, name)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, METADATA) == []
            assert context.get_current_revision() == NEWEST == migrations().get_current_head()


def test_tables_that_no_migration_has_seen_are_not_made_twice(path: Path) -> None:
    Database(database_url(f"sqlite:///{path}")).close()
    _change(path, "DROP TABLE alembic_version")
    with pytest.raises(RecordsError, match="already exists"):
        Database(database_url(f"sqlite:///{path}"))


def test_who_opens_new_tables_loads_no_alembic(path: Path) -> None:
    opened = f"from storage.records.database import *; Database(database_url('sqlite:///{path}')).close()"
    ended = "import sys; print({'alembic', 'sqlalchemy.dialects.postgresql'} & sys.modules.keys())"
    told = [run([sys.executable, "-c", f"{opened}; {ended}"], capture_output=True, text=True) for _ in range(2)]
    assert [one.stdout for one in told] == ["set()\n"] * 2, told[0].stderr


def test_only_its_owner_reads_the_file(database: Database, path: Path) -> None:
    append(database.records("one"), *FACTS)
    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_streams_are_apart(database: Database) -> None:
    one, two = database.records("one"), database.records("two")
    append(one, *FACTS, kept=b"1")
    append(two, Moved(1), kept=b"2")
    assert (entries_of(one), entries_of(two)) == (list(FACTS), [Moved(1)])
    assert (one.blob("kept"), two.blob("kept")) == (b"1", b"2")
    assert one.claim("task-1", "a", 20, 10) and two.claim("task-1", "b", 20, 10)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records_entries SET body = replace(body, '-5', '-4') WHERE position = 1",
        "UPDATE records_entries SET kind = 'Both' WHERE position = 1",
        "DELETE FROM records_entries WHERE position = 1",
        "UPDATE records_entries SET position = position + 100 WHERE position = 1",
        "UPDATE records_streams SET length = 9",
    ],
)
def test_what_was_changed_is_damage(database: Database, path: Path, statement: str) -> None:
    append_each(database.records("one"), FACTS)
    _change(path, statement)
    with pytest.raises(RecordsDamagedError):
        entries_of(database.records("one"))


def test_a_blob_that_was_changed_is_damage(database: Database, path: Path) -> None:
    append(database.records("one"), Moved(1), kept=b"as it was")
    _change(path, "UPDATE records_blobs SET content = x'00'")
    with pytest.raises(RecordsDamagedError):
        database.records("one").blob("kept")


def test_what_is_erased_is_in_no_file(database: Database, path: Path) -> None:
    records = database.records("one")
    append(records, Moved(1), removed=SECRET, replaced=SECRET[::-1])
    found = [data for one in path.parent.iterdir() if SECRET in (data := one.read_bytes())]
    assert found, "or the test would find nothing either"
    records.append(Change((Moved(2),), {"replaced": b"another"}, ("removed",)), 1)
    for one in path.parent.iterdir():
        data = one.read_bytes()
        assert SECRET not in data and SECRET[::-1] not in data


def test_tables_of_a_newer_version_are_refused(path: Path) -> None:
    Database(database_url(f"sqlite:///{path}")).close()
    _change(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RecordsError, match="another version"):
        Database(database_url(f"sqlite:///{path}"))


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else" * 100)
    with pytest.raises(RecordsError, match=r"records\.sqlite3: cannot open: file is not a database"):
        Database(database_url(f"sqlite:///{path}"))


def test_without_its_driver_postgresql_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(RecordsError, match=r"needs the extra hearth-fl\[postgres\]"):
        Database(database_url("postgresql://db/hearth"))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("postgresql://hearth:secret@db/hearth", "password"),
        ("mysql://db/hearth", "another kind"),
        ("sqlite://", "names its file"),
        ("sqlite:///:memory:", "names its file"),
        ("sqlite:///x?mode=ro", "names its file"),
        ("what is this", "no address"),
        ("postgresql://db:many/x", "no address"),
    ],
)
def test_an_address_that_is_refused(written: str, said: str) -> None:
    with pytest.raises(MalformedError, match=said) as caught:
        database_url(written)
    assert "secret" not in str(caught.value)


def test_a_postgresql_that_is_killed_and_started_again() -> None:
    with running_postgresql() as server, Database(server.url) as database, Database(server.url) as other:
        append(database.records("one"), *FACTS)
        with pytest.raises(OvertakenError):
            other.records("one").append(Change((Moved(1),)), 1)
        records = other.records("one")
        server.stop("immediate")
        with pytest.raises(RecordsError):
            append(records, Moved(1), after=len(FACTS))
        server.start()
        append(records, Moved(1))
        assert entries_of(database.records("one")) == [*FACTS, Moved(1)]


def test_a_postgresql_that_was_made_without_a_locale() -> None:
    """Its databases have the encoding SQL_ASCII, which no client decodes by itself."""
    with running_postgresql() as server:
        with create_engine(server.url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
            made = "CREATE DATABASE bare ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            connection.execute(text(made))
        with Database(server.url.set(database="bare")) as database:
            append(database.records("one"), *FACTS)
            assert entries_of(database.records("one")) == list(FACTS)
