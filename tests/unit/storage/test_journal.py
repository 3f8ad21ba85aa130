"""The journal under kills at every byte, damage at every byte, two owners, and a real SIGKILL."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.errors import MalformedError
from storage.records.journal import MAX_LINE_BYTES, Entry, Journal, JournalBusyError, JournalCorruptError, JournalError

ROOT = Path(__file__).resolve().parents[3]
FACTS: list[tuple[str, dict[str, int | str | bytes]]] = [
    ("charge", {"round": 1, "epsilon_ppm": -5, "plan": b"\x00\xff"}),
    ("sent", {"to": "edge", "nothing": b"", "empty": ""}),
    ("paid", {"wei": 2**255, "note": 'quote " and \\ and \n and \x00'}),
    ("closed", {}),
]


def entries_of(path: Path) -> list[Entry]:
    with Journal(path) as journal:
        return list(journal.entries())


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "journal"
    with Journal(path) as journal:
        for kind, fields in FACTS:
            journal.append(kind, **fields)
    return path


EXPECTED = [Entry(kind, fields) for kind, fields in FACTS]


def test_what_was_appended_is_read_before_and_after_reopening(written: Path) -> None:
    with Journal(written) as journal:
        assert list(journal.entries()) == EXPECTED
        journal.append("more", kind="a field may be called kind", self=1)
        running = journal.entries()
        journal.append("later")
        assert [entry.kind for entry in running] == ["charge", "sent", "paid", "closed", "more"]
    assert entries_of(written)[-2] == Entry("more", {"kind": "a field may be called kind", "self": 1})


def test_a_kill_at_every_byte_keeps_exactly_the_complete_lines(written: Path) -> None:
    whole = written.read_bytes()
    for length in range(len(whole) + 1):
        written.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n")
        assert entries_of(written) == EXPECTED[:complete]
        with Journal(written) as journal:  # and the next line continues the chain
            journal.append("next", number=length)
        assert entries_of(written) == [*EXPECTED[:complete], Entry("next", {"number": length})]


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_a_flip_of_any_byte_is_corrupt(written: Path, mask: int) -> None:
    whole = written.read_bytes()
    for position in range(len(whole)):
        written.write_bytes(whole[:position] + bytes([whole[position] ^ mask]) + whole[position + 1 :])
        with pytest.raises(JournalCorruptError):
            Journal(written)


def test_missing_repeated_swapped_and_foreign_lines_are_corrupt(written: Path) -> None:
    one, two, three, four = written.read_bytes().splitlines(keepends=True)
    for lines in ([two, three, four], [one, three, four], [one, one, two], [two, one], [one, b"\n"], [one, b"null\n"]):
        written.write_bytes(b"".join(lines))
        with pytest.raises(JournalCorruptError):
            Journal(written)


def test_a_line_of_another_history_is_corrupt(written: Path) -> None:
    """Its own number and text are right: only the chain tells."""
    other = written.with_name("other")
    with Journal(other) as journal:
        journal.append("charge", round=2)
        journal.append("sent", to="elsewhere")
    first, second = written.read_bytes().splitlines(keepends=True)[0], other.read_bytes().splitlines(keepends=True)[1]
    written.write_bytes(first + second)
    with pytest.raises(JournalCorruptError):
        Journal(written)


@pytest.mark.parametrize("junk", [b"[" * 60_000 + b"\n", b"x" * (MAX_LINE_BYTES + 1), b'{"fields":3,"kind":[]}\n'])
def test_junk_is_one_typed_error(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "journal").write_bytes(junk)
    with pytest.raises(JournalCorruptError):
        Journal(tmp_path / "journal")


def test_a_line_damaged_while_open_is_noticed_on_reading(written: Path) -> None:
    with Journal(written) as journal:
        os.truncate(written, 10)
        with pytest.raises(JournalCorruptError):
            list(journal.entries())


def test_only_one_owner(written: Path) -> None:
    with Journal(written):
        with pytest.raises(JournalBusyError):
            Journal(written)
        child = subprocess.run(
            [sys.executable, "-c", f"from storage.records.journal import *; Journal(Path({str(written)!r}))"],
            cwd=ROOT,
            capture_output=True,
        )
        assert child.returncode == 1 and b"JournalBusyError" in child.stderr
    assert entries_of(written) == EXPECTED


def test_a_damaged_journal_is_released(written: Path) -> None:
    whole = written.read_bytes()
    written.write_bytes(b"x" + whole)
    with pytest.raises(JournalCorruptError):
        Journal(written)
    written.write_bytes(whole)
    assert entries_of(written) == EXPECTED


WORDS = st.text(st.characters(max_codepoint=127), max_size=40).filter(lambda text: not text.startswith("0x"))
VALUES = st.integers(-(2**255), 2**255) | WORDS | st.binary(max_size=60)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES, VALUES, max_size=4)), max_size=5))
def test_round_trip(tmp_path: Path, facts: list[tuple[str, dict[str, Any]]]) -> None:
    path = tmp_path / "journal"
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        for kind, fields in facts:
            journal.append(kind, **fields)
        assert list(journal.entries()) == [Entry(kind, fields) for kind, fields in facts]
    assert entries_of(path) == [Entry(kind, fields) for kind, fields in facts]


@pytest.mark.parametrize(
    "value",
    [1.5, None, True, [1], "0x12", "ö", 2**256, -(2**256), 10**5000, "x" * MAX_LINE_BYTES, b"x" * MAX_LINE_BYTES],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_would_not_come_back_is_refused_and_nothing_written(written: Path, value: Any) -> None:
    with Journal(written) as journal:
        with pytest.raises(MalformedError):
            journal.append("kind", value=value)
        with pytest.raises(MalformedError):
            journal.append("not a name")
        assert list(journal.entries()) == EXPECTED
        journal.append("fine")


def test_after_a_failed_write_nothing_more_is_appended(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(written)
    whole = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:20]))  # the disk is full
        with pytest.raises(JournalError):
            journal.append("lost")
    for use in (lambda: journal.append("after"), lambda: journal.entries(), lambda: journal.write_file("a", b"")):
        with pytest.raises(JournalError):
            use()
    assert entries_of(written) == EXPECTED


def test_every_append_is_synced_before_it_returns(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[tuple[str, int]] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        events.append(
            ("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file", os.fstat(descriptor).st_size)
        )
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    with Journal(written.with_name("fresh")) as journal:
        assert [kind for kind, _ in events] == ["folder"]
        journal.append("one")
        assert events[1:] == [("file", written.with_name("fresh").stat().st_size)]


def test_blobs_are_replaced_whole_and_private(written: Path) -> None:
    with Journal(written) as journal:
        journal.write_file("residual-1.bin", b"old")
        journal.write_file("residual-1.bin", b"new content")
        assert journal.read_file("residual-1.bin") == b"new content"
        with pytest.raises(JournalError):
            journal.read_file("residual-1.bin", max_bytes=10)
        with pytest.raises(JournalError):
            journal.read_file("absent")
        for name in ("", "../x", "a/b", ".hidden", "A", "a\n", "x" * 200):
            with pytest.raises(MalformedError):
                journal.write_file(name, b"")
            with pytest.raises(MalformedError):
                journal.read_file(name)
    modes = {path.relative_to(written.parent): stat.S_IMODE(path.stat().st_mode) for path in written.parent.rglob("*")}
    folder = Path("journal.files")
    assert modes == {Path("journal"): 0o600, folder: 0o700, folder / "residual-1.bin": 0o600}
    assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700


def test_a_blob_that_was_not_finished_leaves_the_old_one(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("power lost")

    with Journal(written) as journal:
        journal.write_file("a", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            with pytest.raises(JournalError):
                journal.write_file("a", b"new")
        assert journal.read_file("a") == b"old"
    (written.parent / "journal.files" / ".partial-left").write_bytes(b"by a kill")
    with Journal(written) as journal:
        assert journal.read_file("a") == b"old"
    assert os.listdir(written.parent / "journal.files") == ["a"]


APPENDER = """
import sys
from pathlib import Path
from storage.records.journal import Journal
with Journal(Path(sys.argv[1])) as journal:
    start = sum(1 for _ in journal.entries())
    for number in range(start, 1_000_000):
        journal.append("tick", number=number, filler=b"x" * 2000)
        print(number, flush=True)
"""


def test_a_killed_process_loses_no_acknowledged_entry(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    acknowledged = -1
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", APPENDER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(25):
            acknowledged = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        rest = child.communicate()[0].splitlines()
        acknowledged = int(rest[-1]) if rest and rest[-1] else acknowledged
        numbers = [entry.fields["number"] for entry in entries_of(path)]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > acknowledged
