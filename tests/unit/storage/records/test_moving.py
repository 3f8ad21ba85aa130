"""Journals of an older version are moved into the folder's database once, whole, whoever is killed meanwhile."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from protocol.identifiers import to_hex
from storage.records.database import Database, database_url
from storage.records.interface import Change, Records, RecordsBusyError, RecordsError
from storage.records.journal import Journal
from storage.records.open_records import open_records
from tests.ports.record_samples import FACTS, Moved, append, append_each, entries_of

OWNER = b"\x0a" * 20
SECRET = b"an encryption key"


def journals(folder: Path) -> None:
    """As an older version left them."""
    with Journal(folder / "journal") as journal:
        append_each(journal, FACTS)
        append(journal, Moved(1), one=b"replaced", two=b"removed")
        journal.append(Change((Moved(2),), {"one": SECRET}, ("two",)), len(FACTS) + 1)
    with Journal(folder / "inbox") as inbox:
        append(inbox, Moved(3))


def check(records: Callable[[str], Records]) -> None:
    assert entries_of(records("journal")) == [*FACTS, Moved(1), Moved(2)]
    assert records("journal").blob("one") == SECRET
    with pytest.raises(RecordsError):
        records("journal").blob("two")
    assert entries_of(records("inbox")) == [Moved(3)]


def test_they_are_moved_at_the_first_start_and_go_on_there(tmp_path: Path) -> None:
    journals(tmp_path)
    for count in range(2):
        with open_records(tmp_path, None, OWNER) as records:
            check(records) if not count else None
            assert not records.are_older
            append(records("journal"), Moved(4))
        assert not list(tmp_path.glob("journal*")) + list(tmp_path.glob("inbox*")), "keys that are erased would stay"
    with open_records(tmp_path, None, OWNER) as records:
        assert entries_of(records("journal"))[-2:] == [Moved(4), Moved(4)]


def lines_of_moving(die_at: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that kills this process at a line of what moves, or tells how many there were."""
    seen = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.endswith("records/moving.py"):
            return None
        if event == "line":
            seen += 1
            if seen == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def starts_and_dies(folder: Path, line: int) -> bool:
    """False when the start was over before that line."""
    child = os.fork()
    if child == 0:
        try:
            sys.settrace(lines_of_moving(line))
            with open_records(folder, None, OWNER):
                pass
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def test_killed_at_any_line_all_is_there(tmp_path: Path) -> None:
    line, killed = 1, 0
    while True:
        folder = tmp_path / str(line)
        folder.mkdir()
        journals(folder)
        if not starts_and_dies(folder, line):
            break
        starts_and_dies(folder, 7 * line % 83 + 1)  # and once more on the way
        killed += 1
        with open_records(folder, None, OWNER) as records:
            check(records)
        left = {path.name for path in folder.iterdir()}
        assert left <= {"records.sqlite3", "records.sqlite3.lock", "seen-journal", "seen-inbox"}, line
        line += 11
    assert killed > 5, line


def test_who_writes_to_a_journal_still_is_not_disturbed(tmp_path: Path) -> None:
    journals(tmp_path)
    with (
        Journal(tmp_path / "inbox"),
        pytest.raises(RecordsBusyError, match="in use by another process"),
        open_records(tmp_path, None, OWNER),
    ):
        pass
    with open_records(tmp_path, None, OWNER) as records:
        check(records)


def test_other_journals_beside_a_database_are_refused_and_kept(tmp_path: Path) -> None:
    with open_records(tmp_path, None, OWNER) as records:
        append(records("journal"), Moved(5))
    journals(tmp_path)
    with pytest.raises(RecordsError, match="say different things"), open_records(tmp_path, None, OWNER):
        pass
    with Journal(tmp_path / "journal") as journal:
        assert entries_of(journal) == [*FACTS, Moved(1), Moved(2)]


def test_one_folder_one_process(tmp_path: Path) -> None:
    with open_records(tmp_path, None, OWNER) as records:
        append(records("journal"), Moved(1))
        with pytest.raises(RecordsBusyError), open_records(tmp_path, None, OWNER):
            pass
        append(records("journal"), Moved(2))


def test_records_left_in_the_folder_are_not_forgotten_for_an_empty_database(tmp_path: Path) -> None:
    journals(tmp_path / "state")
    url = database_url(f"sqlite:///{tmp_path}/shared.sqlite3")
    for _ in range(2):  # of journals, then of the database that they are moved into
        with pytest.raises(RecordsError, match="hearth records move"), open_records(tmp_path / "state", url, OWNER):
            pass
        with open_records(tmp_path / "state", None, OWNER):
            pass


def test_an_older_copy_in_its_place_is_noticed_until_it_is_trusted(tmp_path: Path) -> None:
    def older() -> bool:
        with open_records(tmp_path, None, OWNER) as records:
            records("journal")
            return records.are_older

    with open_records(tmp_path, None, OWNER) as records:
        append(records("journal"), Moved(1))
        copy = sqlite3.connect(tmp_path / "copy")
        with sqlite3.connect(tmp_path / "records.sqlite3") as source:
            source.backup(copy)
        source.close()
        copy.close()
        append(records("journal"), Moved(2))
    assert not older()
    os.replace(tmp_path / "copy", tmp_path / "records.sqlite3")
    assert older()
    with open_records(tmp_path, None, OWNER) as records:
        append(records("journal"), Moved(3))  # as many as there had been, and others
    assert older()
    with open_records(tmp_path, None, OWNER) as records:
        append(records("journal"), Moved(4))
        assert records.are_older
        records.trust()
        append(records("journal"), Moved(5))
    assert not older()
    with open_records(tmp_path, None, OWNER, put_back=True) as records:  # the operator's word
        assert entries_of(records("journal"))
    assert older()


def test_an_empty_database_in_place_of_a_full_one_is_older(tmp_path: Path) -> None:
    with open_records(tmp_path, None, OWNER) as records:
        append(records("journal"), Moved(1))
    (tmp_path / "records.sqlite3").unlink()
    with open_records(tmp_path, None, OWNER) as records:
        records("journal")
        assert records.are_older


def test_a_copy_that_is_put_back_under_a_running_process_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite3"
    with Database(database_url(f"sqlite:///{path}")) as database:
        records = database.records(f"{to_hex(OWNER)}/journal")
        append_each(records, FACTS)
        with sqlite3.connect(path) as raw:
            raw.execute("DELETE FROM records_entries WHERE position > 1")
            raw.execute("UPDATE records_streams SET length = 2")
        raw.close()
        with pytest.raises(RecordsError, match="put back"):
            list(records.read((Moved,), len(FACTS)))
