"""Brings the tables of a database with streams of records up to this version.

Alembic does so where there are older ones. A process needs a quarter of a second to load it. Where there are none yet,
and where they are of this version, SQLAlchemy alone does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from storage.records.interface import RecordsError
from storage.records.tables import METADATA

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script import ScriptDirectory

MIGRATIONS: Final = Path(__file__).parent / "migrations"
NEWEST: Final = "0001"  # of the migrations, whose tables METADATA has

# where Alembic writes which version the tables have
_VERSION: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def upgrade(connection: Connection, name: str) -> None:
    """In the transaction of ``connection``. ``name``: of the database, for messages.

    Raises RecordsError: its tables are of a newer version.
    """
    there = set(inspect(connection).get_table_names())
    if _VERSION.name not in there and not there & METADATA.tables.keys():
        METADATA.create_all(connection)
        _VERSION.create(connection)
        connection.execute(insert(_VERSION).values(version_num=NEWEST))
    elif _VERSION.name not in there or list(connection.execute(select(_VERSION.c.version_num)).scalars()) != [NEWEST]:
        migrate(connection, name)


def migrate(connection: Connection, name: str) -> None:
    """By the migrations that its tables have not seen. Raises RecordsError."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.util import CommandError

    scripts = migrations()

    def steps(revision: str | tuple[str, ...], _: MigrationContext) -> list[RevisionStep]:
        return scripts._upgrade_revs("head", revision)  # type: ignore[arg-type]

    try:
        with EnvironmentContext(Config(), scripts, fn=steps) as environment:
            environment.configure(connection=connection, target_metadata=METADATA)
            environment.run_migrations()
    except CommandError as error:
        raise RecordsError(f"{name}: its tables are of another version of this program") from error


def migrations() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS)])
