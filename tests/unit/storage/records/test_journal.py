"""The journal under kills at every byte and every step, damage at every byte, two owners, and a real SIGKILL."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from storage.records.interface import Change, RecordsBusyError, RecordsDamagedError, RecordsError
from storage.records.journal import MAX_LINE_BYTES, Journal
from tests.kills import kill_at
from tests.ports.record_samples import FACTS, Entry, Moved, append, append_each, entries_of

ROOT = Path(__file__).resolve().parents[4]


EXPECTED: list[Entry] = [Moved(-5), FACTS[0], Moved(2)]


def found_in(path: Path) -> list[Entry]:
    with Journal(path) as journal:
        return entries_of(journal)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "journal"
    with Journal(path) as journal:
        append_each(journal, EXPECTED)
    return path


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is opened a thousand times; what is synced, and when, has a test of its own."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.usefixtures("unsynced")
def test_a_kill_at_every_byte_keeps_exactly_the_complete_lines(written: Path) -> None:
    whole = written.read_bytes()
    for length in range(len(whole) + 1):
        written.write_bytes(whole[:length])
        complete = whole[:length].count(b"\n")
        assert found_in(written) == EXPECTED[:complete]
        with Journal(written) as journal:  # and the next line continues the chain
            append(journal, Moved(5), after=complete)
        assert found_in(written) == [*EXPECTED[:complete], Moved(5)]


@pytest.mark.usefixtures("unsynced")
def test_a_line_of_several_entries_is_there_as_a_whole_or_not_at_all(written: Path) -> None:
    with Journal(written) as journal:
        append(journal, Moved(4), Moved(5))
    whole = written.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for lost in range(len(last)):
        written.write_bytes(whole[: len(whole) - lost])
        assert found_in(written) == [*EXPECTED, Moved(4), Moved(5)][: 5 if lost == 0 else 3]


@pytest.mark.usefixtures("unsynced")
@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_a_flip_of_any_byte_is_damage(written: Path, mask: int) -> None:
    whole = written.read_bytes()
    for position in range(len(whole)):
        written.write_bytes(whole[:position] + bytes([whole[position] ^ mask]) + whole[position + 1 :])
        with pytest.raises(RecordsDamagedError):
            Journal(written)


def test_missing_repeated_swapped_and_foreign_lines_are_damage(written: Path) -> None:
    one, two, three = written.read_bytes().splitlines(keepends=True)
    for lines in ([two, three], [one, three], [one, one, two], [two, one], [one, b"\n"], [one, b"null\n"]):
        written.write_bytes(b"".join(lines))
        with pytest.raises(RecordsDamagedError):
            Journal(written)


def test_a_line_of_another_history_is_damage(written: Path) -> None:
    """Its own text is right: only the chain tells."""
    other = written.with_name("other")
    with Journal(other) as journal:
        append_each(journal, [Moved(3), EXPECTED[1]])
    first, second = written.read_bytes().splitlines(keepends=True)[0], other.read_bytes().splitlines(keepends=True)[1]
    written.write_bytes(first + second)
    with pytest.raises(RecordsDamagedError):
        Journal(written)


@pytest.mark.parametrize("junk", [b"[" * 60_000 + b"\n", b"x" * (MAX_LINE_BYTES + 1), b'{"fields":3,"kind":[]}\n'])
def test_junk_is_one_typed_error(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "journal").write_bytes(junk)
    with pytest.raises(RecordsDamagedError):
        Journal(tmp_path / "journal")


def test_a_line_damaged_while_open_is_noticed_on_reading(written: Path) -> None:
    with Journal(written) as journal:
        os.truncate(written, 10)
        with pytest.raises(RecordsDamagedError):
            entries_of(journal)


def test_only_one_owner(written: Path) -> None:
    with Journal(written):
        with pytest.raises(RecordsBusyError):
            Journal(written)
        child = subprocess.run(
            [sys.executable, "-c", f"from storage.records.journal import *; Journal(Path({str(written)!r}))"],
            cwd=ROOT,
            capture_output=True,
        )
        assert child.returncode == 1 and b"RecordsBusyError" in child.stderr
    assert found_in(written) == EXPECTED


def test_a_damaged_journal_is_released(written: Path) -> None:
    whole = written.read_bytes()
    written.write_bytes(b"x" + whole)
    with pytest.raises(RecordsDamagedError):
        Journal(written)
    written.write_bytes(whole)
    assert found_in(written) == EXPECTED


def test_after_a_failed_write_nothing_more_is_appended(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(written)
    whole = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:20]))  # the disk is full
        with pytest.raises(RecordsError):
            append(journal, Moved(1))
    for use in (lambda: append(journal, Moved(1), after=3), lambda: entries_of(journal), lambda: journal.blob("a")):
        with pytest.raises(RecordsError, match="closed"):
            use()
    assert found_in(written) == EXPECTED


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
        append(journal, Moved(1))
        assert events[1:] == [("file", written.with_name("fresh").stat().st_size)]
        append(journal, Moved(2), blob=b"abc")
        size = written.with_name("fresh").stat().st_size
        kinds = [kind for kind, _ in events[2:]]
        assert kinds == ["folder", "file", "folder", "file"]  # its own folder is new; the blob; its name; the line
        assert (events[3][1], events[5][1]) == (3, size)


def test_blobs_are_private_and_their_damage_is_noticed(written: Path) -> None:
    with Journal(written) as journal:
        append(journal, Moved(1), residual=b"content")
        (blob,) = written.parent.rglob("residual.*")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in written.parent.rglob("*")}
        assert modes == {"journal": 0o600, "journal.files": 0o700, blob.name: 0o600}
        assert stat.S_IMODE(written.parent.stat().st_mode) == 0o700
        blob.write_bytes(b"Content")
        with pytest.raises(RecordsDamagedError):
            journal.blob("residual")
        blob.unlink()
        with pytest.raises(RecordsError):
            journal.blob("residual")


def test_a_blob_that_cannot_be_written_changes_nothing(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("the disk is full")

    with Journal(written) as journal:
        append(journal, Moved(1), a=b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", refuse)
            with pytest.raises(RecordsError):
                append(journal, Moved(2), a=b"new")
        assert journal.blob("a") == b"old"
        append(journal, Moved(3))
    assert found_in(written) == [*EXPECTED, Moved(1), Moved(3)]


def test_opening_removes_every_file_that_no_line_names(written: Path) -> None:
    with Journal(written) as journal:
        append(journal, Moved(1), a=b"kept")
    folder = written.parent / "journal.files"
    (folder / ".partial-left").write_bytes(b"by a kill")
    (folder / ("a." + bytes(32).hex())).write_bytes(b"its line was never written")
    with Journal(written) as journal:
        assert journal.blob("a") == b"kept"
    assert len(os.listdir(folder)) == 1


STEPS = 2 + 1 + 2  # two blobs; the line; the blob that is replaced and the one that is removed


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_killed_at_any_step_a_change_is_there_or_not(written: Path, when: str, step: int) -> None:
    """A real SIGKILL: entries, new blobs and erasure go together, and nothing else is left on disk."""
    with Journal(written) as journal:
        append(journal, Moved(0), replaced=b"old", removed=b"secret")
    child = os.fork()
    if child == 0:
        try:
            journal = Journal(written)
            kill_at(when, step)
            journal.append(Change((Moved(1), Moved(2)), {"replaced": b"new", "added": b"more"}, ("removed",)), 4)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    durable = step > 3 or (step == 3 and when == "after")
    with Journal(written) as journal:
        assert entries_of(journal) == [*EXPECTED, Moved(0), *([Moved(1), Moved(2)] if durable else [])]
        kept = {"replaced": b"new", "added": b"more"} if durable else {"replaced": b"old", "removed": b"secret"}
        assert {name: journal.blob(name) for name in kept} == kept
        assert sorted(path.read_bytes() for path in written.parent.glob("*.files/*")) == sorted(kept.values())


APPENDER = """
import sys
from pathlib import Path
from storage.records.journal import Journal
from tests.kills import kill_at
from tests.ports.record_samples import Paid, append, entries_of
with Journal(Path(sys.argv[1])) as journal:
    start = len(entries_of(journal))
    for number in range(start, 1_000_000):
        append(journal, Paid(number, "x" * 2000, bytes(32)), after=number)
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
        numbers = [entry.amount for entry in found_in(path) if hasattr(entry, "amount")]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) > acknowledged
