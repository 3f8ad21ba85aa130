"""One suite for every implementation of the records port, and for the folding that stands on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.errors import MalformedError
from protocol.text import is_line
from storage.records.codec import MAX_BATCH_BYTES
from storage.records.database import Database, database_url
from storage.records.fold import Folded
from storage.records.interface import (
    NOTHING,
    Change,
    OvertakenError,
    Records,
    RecordsDamagedError,
    RecordsError,
)
from storage.records.journal import Journal
from storage.records.memory import MemoryRecords
from tests.ports.postgresql import PostgreSQL, running_postgresql
from tests.ports.record_samples import ENTRIES, FACTS, Both, Entry, Moved, Paid, append, append_each, entries_of

Seen = tuple[Entry, ...]
NAMES = ("a", "b", "c")
LINES = st.text(max_size=40).map(lambda text: "".join(filter(is_line, text)))
PAID = st.builds(Paid, st.integers(0, 2**256 - 1), LINES, st.binary(min_size=32, max_size=32))
MOVED = st.builds(Moved, st.integers(-5, 5))
ANY_ENTRY = PAID | MOVED | st.builds(Both, PAID, st.lists(MOVED, max_size=3).map(tuple))
CHANGES = st.builds(
    Change,
    st.lists(ANY_ENTRY, min_size=1, max_size=3).map(tuple),
    st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=40), max_size=2),
    st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
)


class Rig:
    """Records of one kind; ``open`` is what the next process would find."""

    def __init__(self, make: Callable[[], Records]) -> None:
        self._make, self.records = make, make()

    def open(self) -> Records:
        self.records.close()
        self.records = self._make()
        return self.records

    def before_and_after(self) -> Iterator[Records]:
        yield self.records
        yield self.open()


def _rig(kind: str, folder: Path) -> Rig:
    memory = MemoryRecords()
    return Rig(lambda: memory) if kind == "memory" else Rig(lambda: Journal(folder / "journal"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(params=["memory", "journal", "sqlite", "postgresql"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param in ("memory", "journal"):
        made = _rig(request.param, tmp_path)
        yield made
        made.records.close()
        return
    server: PostgreSQL | None = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    url = server.url if server else database_url(f"sqlite:///{tmp_path}/records.sqlite3")
    with Database(url) as database:
        made = Rig(lambda: database.records(request.node.nodeid[-150:]))
        yield made
        made.records.close()


def test_entries_come_back_as_they_were_in_their_order(rig: Rig) -> None:
    append_each(rig.records, FACTS[:2])
    append(rig.records, *FACTS[2:])
    for records in rig.before_and_after():
        assert entries_of(records) == list(FACTS)
        assert [entries_of(records, after) for after in range(5)] == [list(FACTS[after:]) for after in range(5)]


def test_reading_ends_where_it_was_when_it_began(rig: Rig) -> None:
    append(rig.records, *FACTS)
    running = rig.records.read(ENTRIES)
    append(rig.records, Moved(5))
    assert list(running) == list(FACTS)


def test_who_has_not_read_the_last_entry_appends_nothing(rig: Rig) -> None:
    append(rig.records, *FACTS, kept=b"old")
    for after in (0, 3, 5):
        with pytest.raises(OvertakenError):
            rig.records.append(Change((Moved(1),), {"kept": b"new"}, ("kept",)), after)
    for records in rig.before_and_after():
        assert (entries_of(records), records.blob("kept")) == (list(FACTS), b"old")


def test_an_entry_of_an_unknown_type_or_of_another_form_is_damage(rig: Rig) -> None:
    append(rig.records, Moved(1))

    renamed, other = type("Walked", (Moved,), {}), type("Moved", (Paid,), {})
    for types in ((Paid,), (renamed,), (other,)):
        with pytest.raises(RecordsDamagedError):
            list(rig.records.read(types))


REFUSED = {
    "nothing": NOTHING,
    "a blob without an entry": Change((), {"blob": b""}),
    "no dataclass": Change((3,)),
    "out of range": Change((Moved(6),)),
    "the second out of range": Change((Moved(1), Paid(-1, "", bytes(32)))),
    "a huge number": Change((Paid(10**5000, "", bytes(32)),)),
    "two lines": Change((Paid(1, "one\ntwo", bytes(32)),)),
    "a short digest": Change((Paid(1, "", bytes(31)),)),
    "too large": Change((Paid(1, "x" * MAX_BATCH_BYTES, bytes(32)),)),
    "a bad name removed": Change((Moved(1),), {}, ("../x",)),
} | {
    f"the name {name[:9]!r}": Change((Moved(1),), {name: b""})
    for name in ("", "../x", "a/b", ".hidden", "A", "a\n", "x" * 200)
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_what_would_not_come_back_is_refused_and_nothing_is_kept(rig: Rig, change: Change) -> None:
    append(rig.records, *FACTS)
    with pytest.raises(MalformedError):
        rig.records.append(change, len(FACTS))
    append(rig.records, Moved(3))
    assert entries_of(rig.open()) == [*FACTS, Moved(3)]


def test_blobs_are_kept_replaced_and_removed_with_their_entry(rig: Rig) -> None:
    append(rig.records, Moved(1), one=b"1", two=b"")
    rig.records.append(Change((Moved(2),), {"one": b"another"}, ("two", "never-kept")), 1)
    rig.records.append(Change((Moved(3),), {"three": b"3"}, ("three",)), 2)
    for records in rig.before_and_after():
        assert (records.blob("one", 7), records.blob("three")) == (b"another", b"3")
        for name, size in (("two", 100), ("never-kept", 100), ("one", 6), ("../journal", 100)):
            with pytest.raises(RecordsError):
                records.blob(name, size)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(st.lists(CHANGES, max_size=5))
def test_both_implementations_hold_the_same(tmp_path: Path, changes: list[Change]) -> None:
    for path in tmp_path.rglob("journal*"):
        if path.is_file():
            path.unlink()
    expected: list[object] = []
    memory, journal = _rig("memory", tmp_path), _rig("journal", tmp_path)
    for change in changes:
        for rig in (memory, journal):
            rig.open().append(change, len(expected))
        expected += change.entries
    assert [entries_of(rig.open()) for rig in (memory, journal)] == [expected] * 2
    for name in NAMES:
        assert _blob(memory.records, name) == _blob(journal.records, name)
    journal.records.close()


def _blob(records: Records, name: str) -> bytes | None:
    try:
        return records.blob(name)
    except RecordsError:
        return None


def test_a_lease_is_one_holders_until_it_ends(rig: Rig) -> None:
    claim = rig.records.claim
    assert claim("task-1", "one", 110, 100)
    assert not claim("task-1", "two", 200, 109)
    assert claim("task-2", "two", 200, 109)
    assert claim("task-1", "one", 120, 109)  # again, for longer
    assert not claim("task-1", "two", 200, 119)
    assert claim("task-1", "two", 130, 120)
    assert not claim("task-1", "one", 140, 121)
    assert claim("task-1", "two", 121, 121)  # given back
    assert claim("task-1", "one", 140, 121)


def _folded(records: Records) -> Folded[Seen, Entry]:
    return Folded(records, ENTRIES, (), lambda seen, entry: (*seen, entry))


def test_a_fold_follows_what_others_append(rig: Rig) -> None:
    append(rig.records, *FACTS)
    one, two = _folded(rig.records), _folded(rig.records)
    assert one.state == FACTS
    assert two.change(lambda seen: Change((Moved(len(seen)),))) == (*FACTS, Moved(4))
    assert one.change(lambda seen: Change((Moved(len(seen)),))) == (*FACTS, Moved(4), Moved(5))
    newest = two.state
    assert newest == one.state == _folded(rig.open()).state


def test_a_decision_may_be_nothing_or_an_error(rig: Rig) -> None:
    folded = _folded(rig.records)

    def refuse(_: Seen) -> Change:
        raise ZeroDivisionError

    assert folded.change(lambda _: NOTHING) == ()
    for decide in (refuse, lambda _: Change((Moved(9),))):
        with pytest.raises((ZeroDivisionError, MalformedError)):
            folded.change(decide)
    assert folded.change(lambda _: Change((Moved(1),))) == (Moved(1),)


def test_many_writers_lose_nothing_and_decide_on_the_newest_state(rig: Rig) -> None:
    """Two folds over one stream, two threads each: an entry for every number, none twice."""
    folds = [_folded(rig.records), _folded(rig.records)]

    def write(folded: Folded[Any, Entry]) -> None:
        for _ in range(15):
            folded.change(lambda seen: Change((Paid(len(seen), "", bytes(32)),)))

    threads = [threading.Thread(target=write, args=(folded,)) for folded in folds * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.amount for entry in _folded(rig.open()).state if isinstance(entry, Paid)] == list(range(60))
