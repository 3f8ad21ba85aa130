"""A server's rounds: deliveries, absences, restarts, deadlines."""

from __future__ import annotations

from unittest import mock

import pytest

from backend.rounds.desk import DeskError
from protocol.messages.chain import Claimed, RoundAbandoned, RoundExpired, RoundPublished
from storage.ledger.interface import LedgerError
from tests.unit.backend.rounds.scene_committee import CLIENTS
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
    assert len(claims) == len(CLIENTS)
    assert len({event.transaction for event in claims}) == 1
    assert scene.owed() == {signer.address: earned for signer in CLIENTS}


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
    scene.committee.answering = {2}
    scene.submit(1)
    scene.until(lambda: scene.facts(1).requested)
    scene.pass_time_to(scene.facts(1).opened.settle_until - 4)
    scene.ended(RoundAbandoned, 1)
    assert scene.owed() == {signer.address: FLAT for signer in CLIENTS}


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
