"""Records of one account from place to place and back: compared each time, and never beside a server that runs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from sqlalchemy.engine import URL
from typer.testing import CliRunner

from protocol.identifiers import to_hex
from scripts.cli import app
from storage.records import places
from storage.records.database import Database, database_url
from storage.records.interface import RecordsBusyError, RecordsDamagedError, RecordsError
from storage.records.journal import Journal
from storage.records.moving import Fillable, Stream, verify
from storage.records.open_records import open_records
from storage.records.places import transfer
from tests.ports.postgresql import running_postgresql
from tests.ports.record_samples import FACTS, Moved, append, append_each, entries_of

OWNER, OTHER = b"\x0a" * 20, b"\x0b" * 20


def journals(folder: Path) -> Path:
    with Journal(folder / "journal") as journal:
        append_each(journal, FACTS)
        append(journal, Moved(1), one=b"one", two=b"")
    with Journal(folder / "inbox") as inbox:
        append(inbox, *[Moved(n % 5) for n in range(1_200)])  # several pages
    return folder


def check(folder: Path) -> None:
    with Journal(folder / "journal") as journal, Journal(folder / "inbox") as inbox:
        assert entries_of(journal) == [*FACTS, Moved(1)]
        assert (journal.blob("one"), journal.blob("two")) == (b"one", b"")
        assert entries_of(inbox) == [Moved(n % 5) for n in range(1_200)]


def test_from_journals_through_both_databases_and_back(tmp_path: Path) -> None:
    first, last = journals(tmp_path / "first"), tmp_path / "last"
    sqlite = database_url(f"sqlite:///{tmp_path}/records.sqlite3")
    with running_postgresql() as server:
        way: list[Path | URL] = [first, sqlite, server.url, last]
        for source, target in pairwise(way):
            assert transfer(source, target, OWNER, erase=True) == {"inbox": 1_200, "journal": 5}
            with pytest.raises(RecordsError, match="has no records of"):
                transfer(source, target, OWNER, erase=True)
        with Database(server.url) as database, Database(sqlite) as other:
            assert database.streams(to_hex(OWNER)) == other.streams(to_hex(OWNER)) == []
            assert database.records(f"{to_hex(OWNER)}/journal").kept() == {}
    check(last)
    assert not list(first.iterdir())


def test_a_copy_leaves_the_first_and_is_only_made_again_where_it_is_the_same(tmp_path: Path) -> None:
    first, url = journals(tmp_path / "first"), database_url(f"sqlite:///{tmp_path}/records.sqlite3")
    for _ in range(2):
        transfer(first, url, OWNER, erase=False)
    check(first)
    with Database(url) as database:
        append(database.records(f"{to_hex(OWNER)}/journal"), Moved(2))
    with pytest.raises(RecordsDamagedError, match="differs at entry 5"):
        transfer(first, url, OWNER, erase=True)
    check(first)
    with pytest.raises(RecordsError, match="no records of"):
        transfer(url, tmp_path / "last", OTHER, erase=True)


@pytest.mark.parametrize("erase", [False, True])
def test_no_server_runs_on_either_place(tmp_path: Path, erase: bool) -> None:
    first, url = journals(tmp_path / "first"), database_url(f"sqlite:///{tmp_path}/records.sqlite3")
    with Journal(first / "inbox"), pytest.raises(RecordsBusyError):
        transfer(first, url, OWNER, erase=erase)
    with running_postgresql() as server:
        for place in (url, server.url):
            with open_records(tmp_path / "server", place, OWNER), open_records(tmp_path / "twin", place, OWNER):
                with pytest.raises(RecordsBusyError):
                    transfer(first, place, OWNER, erase=erase)
        with open_records(tmp_path / "server", server.url, OTHER):
            transfer(first, server.url, OWNER, erase=erase)  # another account's server is not disturbed
    if not erase:
        check(first)


@pytest.mark.parametrize("wrong", ["a lost entry", "a lost blob"])
def test_nothing_is_erased_before_the_copy_is_the_same(tmp_path: Path, wrong: str) -> None:
    first, url = journals(tmp_path / "first"), database_url(f"sqlite:///{tmp_path}/records.sqlite3")

    def copied(source: Stream, target: Fillable) -> int:
        entries = list(source.stored())
        target.fill(entries[:-1] if wrong == "a lost entry" else entries, [])
        return verify(source, target)

    with mock.patch.object(places, "copy", copied), pytest.raises(RecordsDamagedError):
        transfer(first, url, OWNER, erase=True)
    check(first)


def test_the_command(tmp_path: Path) -> None:
    first, url = journals(tmp_path / "first"), f"sqlite:///{tmp_path}/records.sqlite3"
    run = CliRunner().invoke
    copied = run(app, ["records", "copy", "--from", str(first), "--to", url, "--account", to_hex(OWNER)])
    assert copied.exit_code == 0, copied.output
    assert "journal: 5 entries, the same in both places\n" in copied.output
    moved = run(app, ["records", "move", "--from", url, "--to", str(tmp_path / "last"), "--account", to_hex(OWNER)])
    assert moved.exit_code == 0 and "erased in the first" in moved.output
    check(tmp_path / "last")
    refused = run(
        app,
        ["records", "copy", "--from", url, "--to", "mysql://db/x", "--account", to_hex(OWNER)],
    )
    assert refused.exit_code == 2 and "--to: a database of another kind" in refused.output
