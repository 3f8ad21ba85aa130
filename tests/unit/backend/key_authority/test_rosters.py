"""An authority says before each window whose keys it holds: once, in time, of nobody whose place may still change."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest

from backend.key_authority.records import AuthorityRecords
from backend.key_authority.rosters import Rosters, RosterWatch
from protocol.canonical import encode
from protocol.cohort import sum_of
from protocol.identifiers import Address
from protocol.messages.keys import SUM, SignedSighting
from protocol.messages.rosters import RosterPosted, chosen_by
from protocol.round.planning import terms_of
from protocol.round.sightings import sighting
from storage.ledger.proofs import two_sightings
from storage.ledger.signer import Signer
from storage.records.memory import MemoryRecords
from tests.ports.reference_chain import DOMAIN, ReferenceChain
from tests.reference_ledger.ledger import MemoryLedger
from tests.samples import cohort_of, private_key, sample_spec
from tests.unit.backend.enrolments import signed_enrolment

AUTHORITY, EDGE = Signer(private_key("authority", 1)), Signer(private_key("edge"))
CLIENTS = [Signer(private_key("client", number)) for number in range(3)]
ADDRESSES = [client.address for client in CLIENTS]
DIGEST = b"\5" * 32


class _Scene:
    """A posted task with windows of one round, and three clients who enrolled."""

    def __init__(self, confirmations: int = 0, max_clients: int = 5) -> None:
        spec = sample_spec(confirmations=confirmations)
        cohort = replace(spec.cohort, roster_rounds=1, max_clients=max_clients, max_cohort=max_clients)
        self.spec = replace(spec, cohort=cohort, durations=replace(spec.durations, roster_seconds=100))
        self.chain = ReferenceChain()
        manufacturer = Signer(private_key("manufacturer"))
        self.chain.fund(DOMAIN.ledger, manufacturer.address)
        self.chain.ledger(DOMAIN.ledger, manufacturer).post_task(terms_of(self.spec), self.spec.budget())
        self.edge = self.chain.ledger(DOMAIN.ledger, EDGE)
        self.chain.ledger(DOMAIN.ledger, manufacturer).place_bond(1, EDGE.address, self.spec.deposits.edge_server)
        for client in CLIENTS:
            self.edge.enrol([signed_enrolment(DOMAIN, self.edge.task(1), client, DIGEST)])
        self.records = AuthorityRecords(MemoryRecords())
        self.records.keep_task(1, encode(self.spec))
        self.watch = RosterWatch(Rosters(self.chain.ledger(DOMAIN.ledger, AUTHORITY), self.records), self.records)

    def hold(self, *clients: Address) -> None:
        for client in clients:
            self.records.keep_share(1, client, DIGEST, {})

    def pass_to(self, instant: int) -> None:
        self.chain.pass_time(instant - self.edge.now())

    def posted(self) -> list[RosterPosted]:
        """After the authority has looked."""
        self.watch.post()
        return [event for event in self.edge.events(1) if isinstance(event, RosterPosted)]

    @property
    def enrol_until(self) -> int:
        return self.edge.task(1).enrol_until

    def run_round(self, number: int) -> None:
        weights = cohort_of(ADDRESSES)
        self.edge.open_round(1, number, DIGEST, bytes([number]) * 32, sum_of(weights).root, 3)

    def end_round(self, number: int) -> None:
        """Nobody has committed."""
        self.pass_to(self.edge.round(1, number).settle_until + 1)
        self.edge.expire_round(1, number)


def test_everybody_is_named_once_enrolment_is_over() -> None:
    scene = _Scene()
    scene.hold(*ADDRESSES)
    assert scene.posted() == []
    scene.pass_to(scene.enrol_until)
    assert scene.posted() == []
    scene.pass_to(scene.enrol_until + 1)
    (roster,) = scene.posted()
    assert (roster.window, roster.authority) == (0, AUTHORITY.address)
    assert (chosen_by(ADDRESSES, roster.held), chosen_by(ADDRESSES, roster.refused)) == (set(ADDRESSES), set())
    assert scene.posted() == [roster], "once"


def test_a_full_task_need_not_wait() -> None:
    scene = _Scene(max_clients=3)
    scene.hold(*ADDRESSES)
    scene.chain.pass_time(1)
    assert len(scene.posted()) == 1


def test_an_authority_that_was_dismissed_says_nothing_more() -> None:
    scene = _Scene()
    scene.hold(*ADDRESSES)
    scene.pass_to(scene.enrol_until + 1)
    said = [sighting(1, 1, SUM, DIGEST, bytes([seen]) * 32, AUTHORITY.address) for seen in (1, 2)]
    one, other = (SignedSighting(word, AUTHORITY.sign(DOMAIN, word)) for word in said)
    scene.edge.dispute(two_sightings(one, other))
    with mock.patch.object(MemoryLedger, "post_roster") as tried:
        assert scene.posted() == []
    assert tried.call_count == 0


LATE = Signer(private_key("client", 3))


def _with_a_latecomer() -> _Scene:
    """It enrols while round 1 runs; the next window comes."""
    scene = _Scene()
    scene.hold(*ADDRESSES)
    scene.pass_to(scene.enrol_until + 101)
    scene.run_round(1)
    scene.edge.enrol([signed_enrolment(DOMAIN, scene.edge.task(1), LATE, DIGEST)])
    scene.end_round(1)
    return scene


def test_a_latecomer_is_waited_for_and_named_before_the_next_window() -> None:
    scene = _with_a_latecomer()
    assert scene.posted() == []
    scene.hold(LATE.address)
    (roster,) = scene.posted()
    assert (roster.window, chosen_by([*ADDRESSES, LATE.address], roster.held)) == (1, {*ADDRESSES, LATE.address})


def test_nobody_waits_for_a_client_whose_envelope_nothing_opens_any_more() -> None:
    """Else one that shows its envelope to nobody would delay every window."""
    scene = _with_a_latecomer()
    scene.records.erase_windows(1, 1)
    assert scene.posted() == [], "it enrolled in window 1"
    scene.records.erase_windows(1, 2)
    scene.pass_to(scene.edge.round(1, 1).settle_until + 101)
    scene.run_round(2)
    scene.end_round(2)
    (roster,) = scene.posted()
    assert chosen_by([*ADDRESSES, LATE.address], roster.held) == set(ADDRESSES)


def test_who_is_missing_is_waited_for_until_a_quarter_of_the_time_is_left() -> None:
    scene = _Scene()
    scene.hold(*ADDRESSES[:2])
    scene.pass_to(scene.enrol_until + 75)
    assert scene.posted() == []
    scene.pass_to(scene.enrol_until + 76)
    (roster,) = scene.posted()
    assert chosen_by(ADDRESSES, roster.held) == set(ADDRESSES[:2])


def test_who_is_refused_is_named_as_such_and_not_waited_for() -> None:
    scene = _Scene()
    scene.hold(*ADDRESSES[:2])
    scene.records.keep_refusal(1, ADDRESSES[2], DIGEST)
    scene.pass_to(scene.enrol_until + 1)
    (roster,) = scene.posted()
    assert chosen_by(ADDRESSES, roster.refused) == {ADDRESSES[2]}


def test_nobody_is_named_whose_place_a_reorganisation_may_change() -> None:
    """No enrolment is deep enough."""
    scene = _Scene(confirmations=50)
    scene.hold(*ADDRESSES)
    scene.pass_to(scene.enrol_until + 1)
    assert scene.posted() == []
    scene.pass_to(scene.enrol_until + 76)
    (roster,) = scene.posted()
    assert chosen_by(ADDRESSES, roster.held) == set()


def test_nothing_is_said_too_late() -> None:
    scene = _Scene()
    scene.hold(*ADDRESSES)
    scene.pass_to(scene.enrol_until + 101)
    assert scene.posted() == []


def test_each_window_has_a_roster_of_its_own() -> None:
    scene = _Scene()
    scene.hold(*ADDRESSES)
    scene.pass_to(scene.enrol_until + 101)
    for number in (1, 2):
        scene.run_round(number)
        assert [roster.window for roster in scene.posted()] == list(range(1, number)), "not while a round runs"
        scene.end_round(number)
        assert [roster.window for roster in scene.posted()] == list(range(1, number + 1))
        scene.pass_to(scene.edge.round(1, number).settle_until + 101)  # the others post nothing


@pytest.mark.parametrize("held", [True, False])
def test_a_refusal_outlives_a_restart_and_ends_with_a_share(held: bool) -> None:
    records = MemoryRecords()
    AuthorityRecords(records).keep_refusal(1, ADDRESSES[0], DIGEST)
    again = AuthorityRecords(records)
    if held:
        again.keep_share(1, ADDRESSES[0], DIGEST, {})
    assert again.refused(1) == (set() if held else {ADDRESSES[0]})
