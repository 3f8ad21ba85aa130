"""Two processes of one edge server over the same records: one drives a task, and the other goes on when it is gone."""

from __future__ import annotations

from functools import partial

import pytest

from backend.rounds.task_leases import LEASE_SECONDS, RENEWAL_SECONDS, TaskLeases
from protocol.errors import HearthError
from protocol.messages.chain import BatchCommitted, Enrolled, RoundOpened, RoundPublished
from storage.records.interface import RecordsError
from storage.records.memory import MemoryRecords
from tests.unit.backend.rounds.scene_committee import CLIENTS
from tests.unit.backend.rounds.scene_server import Scene, Server

ROUNDS = 2


class Processes:
    """Of one account, ``two`` as soon as it is started. Phones ask whichever runs."""

    def __init__(self) -> None:
        self.one = Scene()
        self.two = Server(self.one.chain, self.one.signer, self.one.store, self.one.committee)
        self.two.scene, self.two.records = self.one, self.one.records
        self.one.others.append(self.two)
        self.received = set[tuple[int, int]]()  # receipts: round and client
        self.one.process, self.two.process = "one", "two"
        self.one.start()
        self.two.start()

    def running(self) -> Server:
        return self.one if self.one.running else self.two

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.one.ledger.events(1))

    def phones(self, enrolled: bool) -> None:
        """Each does what it can do now, and asks again later where it cannot."""
        server = self.running()
        for number, client in enumerate(CLIENTS):
            try:
                if not enrolled:
                    server.enrol([client])
                    continue
                found = server.desk.next_round(self.count(RoundPublished))
                if found is not None and found.round and (found.round, number) not in self.received:
                    server.desk.submit(found.round, server.submission(number, found.round))
                    self.received.add((found.round, number))
            except (HearthError, AssertionError):
                continue


def test_what_one_process_heard_the_other_one_does() -> None:
    played = Processes()
    one, two = played.one, played.two
    one.until(lambda: one.state.posted and two.state.posted)
    two.enrol()  # it only watches
    one.announced(1)
    two.announced(1)
    for number, (asked, other) in enumerate([(two, one), (one, two), (two, one)]):
        receipt = asked.desk.submit(1, asked.submission(number, 1))
        assert receipt is not None
        assert other.desk.submit(1, other.submission(number, 1)) == receipt
    one.ended(RoundPublished, 1)
    assert one.sums(1)[:3] == [2, 2, 2]  # a one of each, with weight two
    assert [played.count(kind) for kind in (Enrolled, RoundOpened, BatchCommitted, RoundPublished)] == [3, 1, 1, 1]


def test_the_authorities_word_on_a_cohort_comes_to_whoever_phones_ask() -> None:
    """A phone that got it from none would derive the whole cohort itself."""
    played = Processes()
    one, two = played.one, played.two
    one.enrol()
    one.announced(1)
    two.announced(1)
    for server in (one, two):
        one.until(partial(server.desk.shown_plan, 1, CLIENTS[0].address))
    shown = one.desk.shown_plan(1, CLIENTS[0].address)
    assert shown == two.desk.shown_plan(1, CLIENTS[0].address)
    assert shown is not None and len(shown.endorsements) >= one.spec.committee.quorum


@pytest.mark.parametrize("killed_at", range(0, 40, 5))
def test_a_process_is_killed_at_any_step_and_nothing_is_lost_or_done_twice(killed_at: int) -> None:
    """The first one that drives, after so many steps; the second one later, when the first is there again."""
    played, steps = Processes(), 0

    def over() -> bool:
        nonlocal steps
        steps += 1
        played.phones(enrolled=played.count(Enrolled) == len(CLIENTS))
        if steps == killed_at:
            played.one.crash()
        if steps == killed_at + 3 * LEASE_SECONDS:
            played.one.start()
            played.two.crash()
        return played.count(RoundPublished) == ROUNDS

    played.one.until(over)
    last = played.running()
    last.scene.until(lambda: len(last.state.rounds) == ROUNDS and last.state.rounds[-1].ended)
    for number in range(1, ROUNDS + 1):
        one, *others = last.sums(number)[: len(CLIENTS)]  # each client's own coordinate, by its weight
        assert others == [one] * (len(CLIENTS) - 1)
        assert one > 0
    assert played.count(Enrolled) == 3
    assert [played.count(kind) for kind in (RoundOpened, BatchCommitted)] == [ROUNDS, ROUNDS]


class AwayRecords(MemoryRecords):
    away = False

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        if self.away:
            raise RecordsError("the database is away")
        return super().claim(name, holder, until, now)


def test_a_lease_is_renewed_in_time_and_ends_without_the_database() -> None:
    records = AwayRecords()
    one, two = TaskLeases(records, "one"), TaskLeases(records, "two")
    assert one.keep([7], 100) == [7]
    assert two.keep([7], 101) == []
    assert (one.holds(7, 101), two.holds(7, 101), one.holds(8, 101)) == (True, False, False)
    assert one.keep([7], 100 + RENEWAL_SECONDS) == []  # held already
    assert one.holds(7, 100 + LEASE_SECONDS)
    records.away = True
    assert one.keep([7], 104) == []
    assert one.holds(7, 102 + LEASE_SECONDS - 1) and not one.holds(7, 102 + LEASE_SECONDS)
    records.away = False
    assert two.keep([7], 102 + LEASE_SECONDS) == [7]
    assert one.keep([7], 103 + LEASE_SECONDS) == []


def test_who_stops_gives_its_leases_back() -> None:
    records = MemoryRecords()
    one, two = TaskLeases(records, "one"), TaskLeases(records, "two")
    assert one.keep([7, 8], 100) == [7, 8]
    one.release(101)
    assert not one.holds(7, 101)
    assert two.keep([7, 8], 101) == [7, 8]
