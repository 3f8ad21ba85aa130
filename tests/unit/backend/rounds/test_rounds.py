"""A server's rounds: deliveries, absences, restarts, deadlines."""

from __future__ import annotations

from unittest import mock

import pytest

from backend.rounds.desk_error import DeskError
from protocol.canonical import decode
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import (
    BondReturned,
    Claimed,
    RoundAbandoned,
    RoundExpired,
    RoundPublished,
)
from protocol.messages.keys import MAX_REQUEST_BYTES, KeyRequest
from protocol.messages.settlement import GARBAGE, PUBLISHED
from protocol.messages.task import DepositTerms
from storage.content.interface import get_document
from storage.ledger.interface import LedgerError
from tests.unit.backend.rounds.scene_committee import CLIENTS, authority
from tests.unit.backend.rounds.scene_server import FIRST_GAIN, FLAT, Scene


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.start()
    made.enrol()
    return made


def test_two_rounds_and_the_claims(scene: Scene) -> None:
    for number in (1, 2):
        scene.submit(number)
        scene.ended(RoundPublished, number)
        weights = [entry.weight for entry in scene.plan(number).weights]
        assert scene.sums(number)[:3] == weights
        assert not any(scene.sums(number)[3:])
    scene.until(lambda: scene.desk.next_round(2))
    for signer in CLIENTS:
        scene.desk.claim(signer.address)
    earned = 2 * FLAT + FIRST_GAIN
    scene.until(lambda: scene.ledger.claimed(1, CLIENTS[0].address) == earned)
    claims = [event for event in scene.ledger.events(1) if isinstance(event, Claimed)]
    assert len({event.transaction for event in claims}) == 1
    assert scene.owed() == {signer.address: earned for signer in CLIENTS}
    terms, members = scene.spec.rewards, scene.spec.committee.members
    assert scene.fees() == {scene.signer.address: 2 * terms.edge_fee} | dict.fromkeys(members, 2 * terms.authority_fee)
    assert {event.client: event.amount for event in claims} == scene.owed() | scene.fees()


def test_a_server_claims_its_fees_at_the_end_although_no_phone_claims(scene: Scene) -> None:
    for number in (1, 2):
        scene.submit(number)
        scene.ended(RoundPublished, number)
    own = scene.signer.address
    scene.until(lambda: scene.ledger.claimed(1, own) == 2 * scene.spec.rewards.edge_fee)
    scene.until(lambda: not scene.ledger.bond(1, own).amount)
    assert not any(scene.ledger.claimed(1, signer.address) for signer in CLIENTS)


def test_too_few_deliver_and_those_who_did_are_paid(scene: Scene) -> None:
    scene.submit(1, (1,))
    scene.pass_time_to(scene.last_batch(1) - 4)
    scene.until(lambda: scene.facts(1).batched)
    scene.pass_time_to(scene.facts(1).opened.commit_until + 1)
    scene.ended(RoundAbandoned, 1)
    assert scene.owed() == {signer.address: FLAT * (signer is CLIENTS[1]) for signer in CLIENTS}
    scene.submit(2)
    scene.ended(RoundPublished, 2)


def test_a_committee_that_does_not_answer_costs_the_model_not_the_reward(scene: Scene) -> None:
    """The sum may have been opened in private: each client is owed all that its update could earn."""
    scene.committee.answering = {2}
    scene.submit(1)
    scene.until(lambda: scene.facts(1).requested)
    scene.pass_time_to(scene.facts(1).opened.settle_until - 1)
    scene.until(lambda: scene.ledger.now() > scene.facts(1).opened.settle_until)
    scene.ended(RoundExpired, 1)
    assert scene.owed() == {}
    assert scene.ledger.task(1).reserved == len(CLIENTS) * scene.spec.rewards.update_reward
    assert scene.ledger.bond(1, scene.signer.address).role == 1, "it may be the authorities' doing"
    scene.committee.answering = {1, 2}
    scene.submit(2)
    scene.ended(RoundPublished, 2)


def test_a_sum_of_nonsense_is_published_as_such(scene: Scene) -> None:
    """Its sender gains what everybody gets, and the model stays."""
    scene.nonsense = {1}
    scene.submit(1)
    scene.ended(RoundPublished, 1)
    record, members = scene.record(1), scene.spec.committee.members
    assert (record.outcome, record.model, record.aggregate) == (GARBAGE, scene.spec.initial_model, ZERO_DIGEST)
    assert [signed.statement.authority for signed in record.keys] == list(members)
    assert scene.owed() == {signer.address: FLAT for signer in CLIENTS}
    assert scene.fees().keys() == {scene.signer.address, *members}
    scene.nonsense = set()
    scene.submit(2)
    scene.ended(RoundPublished, 2)
    assert scene.record(2).outcome == PUBLISHED
    assert scene.sums(2)[:3] == [entry.weight for entry in scene.plan(2).weights]


def test_garbage_is_published_though_an_authority_is_silent(scene: Scene) -> None:
    """No authority of this task is corrupt: what two agree upon is the key."""
    scene.nonsense, scene.committee.answering = {1}, {1, 2}
    scene.submit(1)
    scene.ended(RoundPublished, 1)
    assert scene.record(1).outcome == GARBAGE
    assert len(scene.record(1).keys) == 2


def test_nobody_cries_garbage_while_a_corrupt_authority_may_have_made_it() -> None:
    """Four saw the request, two give keys: one that lies could make garbage of any sum."""
    scene = Scene(5, corrupt=1)
    scene.start()
    scene.enrol()
    scene.nonsense, scene.committee.answering = {1}, {1, 2}
    scene.submit(1)
    scene.until(lambda: scene.facts(1).requested)
    scene.until(lambda: scene.committee.asked > 1)
    scene.committee.answering, before = {4, 5}, scene.committee.asked
    scene.until(lambda: scene.committee.asked > before + 3)
    assert scene.ended_as(1) is None
    scene.committee.answering = {3, 4, 5}
    scene.ended(RoundPublished, 1)
    assert scene.record(1).outcome == GARBAGE
    assert len(scene.record(1).keys) == 3


def test_the_request_can_be_read_before_it_is_on_chain(scene: Scene) -> None:
    scene.submit(1)
    with mock.patch.object(type(scene.ledger), "request_key", side_effect=LedgerError("away")) as sent:
        scene.until(lambda: sent.call_count)
    digest = sent.call_args.args[2]
    request = decode(KeyRequest, get_document(scene.store, digest, MAX_REQUEST_BYTES))
    assert request.digest() == digest and len(request.entries) == 3
    scene.ended(RoundPublished, 1)


def test_without_the_authorities_bonds_no_key_is_requested_and_participation_is_paid() -> None:
    """The server would lose its own bond if it let the round expire."""
    scene = Scene(deposits=DepositTerms(edge_server=5_000, authority=10))
    for j in (1, 2):
        scene.bank.place_bond(1, authority(j).address, 10)
    scene.start()
    scene.enrol()
    scene.submit(1)
    scene.convict(2)
    scene.ended(RoundAbandoned, 1)
    assert scene.ledger.now() > scene.facts(1).opened.commit_until and scene.facts(1).requested is None
    assert scene.owed() == {signer.address: FLAT for signer in CLIENTS}


def test_a_round_that_was_left_alone_costs_its_server_the_role_and_ends_the_task(scene: Scene) -> None:
    scene.submit(1)
    scene.until(lambda: scene.facts(1).batched)
    scene.crash()
    scene.pass_time_to(scene.facts(1).opened.settle_until + 1)
    scene.start()
    scene.ended(RoundExpired, 1)
    scene.until(lambda: scene.desk.next_round(1))
    view, own = scene.ledger.task(1), scene.ledger.bond(1, scene.signer.address)
    owed = len(CLIENTS) * FLAT
    assert (view.stopped, view.reserved) == (True, owed)
    scene.until(lambda: not scene.ledger.bond(1, scene.signer.address).amount)
    returned = [event.amount for event in scene.ledger.events(1) if isinstance(event, BondReturned)]
    assert own.role == 0 and returned == [scene.spec.deposits.edge_server - owed]


def test_one_of_five_is_silent_and_the_others_are_a_quorum() -> None:
    scene = Scene(5, corrupt=1)
    scene.committee.answering = {1, 2, 4, 5}
    scene.start()
    scene.enrol()
    scene.submit(1)
    scene.ended(RoundPublished, 1)
    members = scene.spec.committee.members
    record = scene.record(1)
    for signed in (record.sightings, record.keys):
        assert [one.statement.authority for one in signed] == [members[j] for j in (0, 1, 3, 4)]


def test_a_sighting_counts_although_its_authority_is_away_later() -> None:
    """Four of five saw the request, two at a time; two of them are enough for the key."""
    scene = Scene(5, corrupt=1)
    scene.committee.answering = {1, 2}
    scene.start()
    scene.enrol()
    scene.submit(1)
    scene.until(lambda: scene.facts(1).requested)
    scene.until(lambda: scene.committee.asked > 1)
    assert scene.ended_as(1) is None
    scene.committee.answering = {4, 5}
    scene.ended(RoundPublished, 1)
    assert len(scene.record(1).sightings) == 4
    assert len(scene.record(1).keys) == 2


def test_a_round_nobody_finished_in_time_expires(scene: Scene) -> None:
    scene.submit(1, (0, 1))
    scene.crash()
    scene.pass_time_to(scene.facts(1).opened.settle_until + 1)
    scene.start()
    scene.ended(RoundExpired, 1)
    assert scene.owed() == {}
    scene.submit(2)
    scene.ended(RoundPublished, 2)


@pytest.mark.parametrize("submitted", [(), (0,), (0, 1)])
def test_a_restart_in_the_commit_phase_loses_no_submission(scene: Scene, submitted: tuple[int, ...]) -> None:
    scene.submit(1, submitted)
    scene.crash()
    scene.start()
    scene.submit(1, tuple({0, 1, 2} - set(submitted)))
    scene.ended(RoundPublished, 1)
    assert len(scene.record(1).verdict.accepted) == 3


def test_a_restart_too_late_for_a_batch_gives_no_receipt(scene: Scene) -> None:
    """The batch is closed before it is put on chain, durably."""
    scene.submit(1, (0, 1))
    late = scene.submission(2, 1)
    scene.crash()
    scene.pass_time_to(scene.last_batch(1) - 3)
    with mock.patch.object(scene.ledger, "commit_batch", side_effect=LedgerError("away")):
        scene.start()
        scene.until(lambda: scene.journal.task(1).round(1).closed)
        with pytest.raises(DeskError) as refused:
            scene.desk.submit(1, late)
    assert refused.value.code == "E_ROUND"
    scene.crash()
    scene.start()
    scene.until(lambda: scene.facts(1).batched)
    scene.ended(RoundPublished, 1)
    assert len(scene.record(1).verdict.accepted) == 2


def test_a_restart_while_the_committee_is_asked(scene: Scene) -> None:
    scene.committee.answering = set()
    scene.submit(1)
    scene.until(lambda: scene.facts(1).requested)
    scene.crash()
    scene.committee.answering = {1, 3}
    scene.start()
    scene.ended(RoundPublished, 1)
    assert scene.sums(1)[:3] == [2, 2, 2]
