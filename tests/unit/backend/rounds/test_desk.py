"""What phones may ask of the edge server, and what they are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.rounds.desk import Announced
from protocol.canonical import encode
from protocol.cohort import own_place
from protocol.errors import Party
from protocol.identifiers import ZERO_DIGEST
from protocol.incentives.rewards import allocation_root, first_allocation, verify_entitlement
from protocol.messages.chain import (
    BondForfeited,
    Enrolled,
    RoundAbandoned,
    RoundExpired,
    TakenOver,
)
from protocol.messages.keys import WindowKeys
from protocol.messages.round import RoundStatement, SignedEndorsement
from protocol.messages.submission import Leave, SignedEnrolment, SignedLeave
from protocol.round.commitments import batch_root, commitment_of, receipt_of, verify_inclusion
from protocol.round.endorsing import endorsement_of
from protocol.signing import verify
from protocol.task.documents import Delivered, Kind, Rederived
from protocol.task.fold import fold
from protocol.task.status import status_of
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key
from tests.unit.backend.rounds.scene_committee import window_key
from tests.unit.backend.rounds.scene_desk import EDGE, OUTSIDER, DeskScene, refusal, told
from tests.unit.backend.rounds.scene_round import CLIENTS, SIGNERS


@pytest.fixture
def scene() -> DeskScene:
    return DeskScene()


def test_keys_of_a_window_are_shown_once_all_are_here(scene: DeskScene) -> None:
    authorities = [Signer(private_key("authority", j)) for j in (1, 2, 3)]
    keys = tuple(window_key(authority, 1, 4) for authority in authorities)
    assert refusal(scene.desk.window_keys, 4) == "E_KEYS_AWAITED"  # the spec is not read
    scene.deliver(Kind.SPEC, encode(scene.round.spec))
    scene.journal.keep_window_keys(reversed(keys[1:]))
    assert refusal(scene.desk.window_keys, 4) == "E_KEYS_AWAITED"
    scene.journal.keep_window_keys(keys[:1])
    assert scene.desk.window_keys(4) == WindowKeys(keys)  # in the order of the committee
    assert refusal(scene.desk.window_keys, 5) == "E_KEYS_AWAITED"


def test_a_submission_is_durable(scene: DeskScene) -> None:
    receipt = scene.desk.submit(1, scene.round.submission(0))
    assert receipt is not None and receipt.server == EDGE.address
    commitment = commitment_of(scene.round.plan, scene.round.submission(0)).commitment
    verify(DOMAIN, receipt_of(commitment), receipt.signature, EDGE.address, Party.EDGE_SERVER)
    assert scene.desk.submit(1, scene.round.submission(0)) == receipt
    assert scene.journal.submissions(1, 1) == {CLIENTS[0]: scene.round.submission(0)}
    assert not scene.woken, "no move is waiting for it"
    for number in (1, 2):
        scene.desk.submit(1, scene.round.submission(number))
    assert scene.woken == [1], "everybody has committed"


def test_bad_submissions_are_refused_and_not_kept(scene: DeskScene) -> None:
    good = scene.round.submission(0)
    for bad in (
        replace(good, nonce=b"\x09" * 16),
        replace(good, ciphertext=b"\x09" * 32),
        replace(good, client=CLIENTS[1]),
        replace(good, client=OUTSIDER.address),
        replace(good, signature=good.signature[:-1] + b"\x1d"),
    ):
        assert refusal(scene.desk.submit, 1, bad) in ("E_VERIFICATION", "E_MALFORMED")
    assert refusal(scene.desk.submit, 2, good) == "E_STARTING", "a phone may see a round first"
    assert scene.journal.submissions(1, 1) == {}


def test_another_submission_of_the_same_client_is_refused(scene: DeskScene) -> None:
    scene.desk.submit(1, scene.round.submission(0))
    signed = scene.round.commit(SIGNERS[0], scene.round.values[CLIENTS[0]], b"\x07" * 16)
    second = replace(
        scene.round.submission(0),
        nonce=signed.commitment.nonce,
        ciphertext=signed.commitment.ciphertext,
        signature=signed.signature,
    )
    assert refusal(scene.desk.submit, 1, second) == "E_SUBMITTED"


def test_no_receipt_once_the_batch_is_closed(scene: DeskScene) -> None:
    receipt = scene.desk.submit(1, scene.round.submission(0))
    label = scene.round.plan.label()
    assert scene.journal.close_batch(1, 1, label) == {CLIENTS[0]: scene.round.submission(0)}
    assert refusal(scene.desk.submit, 1, scene.round.submission(1)) == "E_ROUND"
    assert scene.desk.submit(1, scene.round.submission(0)) == receipt, "this one will be in it"


def test_after_the_batch_nothing_is_taken_and_receipts_are_given(scene: DeskScene) -> None:
    assert scene.desk.inclusion_proof(1, CLIENTS[0]) is None
    scene.batch()
    assert refusal(scene.desk.submit, 1, scene.round.submission(0)) == "E_ROUND"
    assert scene.desk.inclusion_proof(1, CLIENTS[0]) is None, "the batch is not read yet"
    scene.deliver(Kind.BATCH, encode(scene.round.batch()))
    proof = scene.desk.inclusion_proof(1, CLIENTS[0])
    assert proof is not None
    verify_inclusion(batch_root(scene.round.batch()), scene.round.committed[CLIENTS[0]], proof)
    assert refusal(scene.desk.inclusion_proof, 1, OUTSIDER.address) == "E_NOT_INCLUDED"
    assert refusal(scene.desk.inclusion_proof, 2, CLIENTS[0]) == "E_STARTING"


def test_a_censored_client_is_answered_and_ignored() -> None:
    scene = DeskScene(frozenset({CLIENTS[0]}))
    assert scene.desk.submit(1, scene.round.submission(0)) is None
    assert scene.journal.submissions(1, 1) == {}


def test_a_server_that_is_not_acting_takes_no_commitments(scene: DeskScene) -> None:
    scene.say(told(TakenOver, edge_server=OUTSIDER.address))
    assert refusal(scene.desk.submit, 1, scene.round.submission(0)) == "E_STANDBY"
    scene.say(told(TakenOver, edge_server=EDGE.address))
    scene.desk.submit(1, scene.round.submission(0))
    scene.say(told(BondForfeited, holder=EDGE.address, reporter=bytes(20), amount=1, share=0))
    assert refusal(scene.desk.submit, 1, scene.round.submission(1)) == "E_STANDBY"


def test_a_round_whose_plan_nobody_can_read_is_not_announced(scene: DeskScene) -> None:
    hidden = [entry for entry in scene.entries if not isinstance(entry, Delivered)]
    scene.entries = []
    scene.say(*hidden)
    assert scene.desk.next_round(0) is None
    assert refusal(scene.desk.submit, 1, scene.round.submission(0)) == "E_STARTING"


def test_a_plan_is_shown_once_a_quorum_endorses_its_cohort(scene: DeskScene) -> None:
    client, plan, label = CLIENTS[0], scene.round.plan, scene.round.plan.label()
    assert scene.desk.shown_plan(1, client) is None
    members = scene.round.spec.committee.members
    said = tuple(SignedEndorsement(endorsement_of(1, 1, label, member), bytes(65)) for member in members)
    scene.endorsements[label] = said
    shown, stranger = scene.desk.shown_plan(1, client), scene.desk.shown_plan(1, OUTSIDER.address)
    assert shown is not None
    assert stranger is not None
    assert (shown.plan, shown.endorsements) == (plan.head(), said)
    assert own_place(plan.cohort, client, shown.places) is not None
    assert own_place(plan.cohort, OUTSIDER.address, stranger.places) is None
    assert refusal(scene.desk.shown_plan, 2, client) == "E_STARTING"
    scene.say(told(RoundExpired, round=1))
    assert refusal(scene.desk.shown_plan, 1, client) == "E_ROUND"


def test_rounds_are_announced_until_the_task_ends(scene: DeskScene) -> None:
    announced = scene.desk.next_round(0)
    assert announced is not None and announced.statement is not None
    assert announced == Announced(1, scene.opened.plan, announced.statement)
    assert announced.statement.statement == RoundStatement(1, 1, scene.round.plan.label(), ZERO_DIGEST)
    verify(DOMAIN, announced.statement.statement, announced.statement.signature, EDGE.address, Party.EDGE_SERVER)
    assert scene.desk.statement(1) == announced.statement
    assert refusal(scene.desk.statement, 2) == "E_STARTING"
    assert scene.desk.next_round(1) is None
    scene.say(told(RoundExpired, round=1), now=9_000)
    assert scene.desk.next_round(1) is None
    scene.say(now=9_001)
    assert scene.desk.next_round(1) == Announced(0, b"", None)


def test_enrolments_are_taken_while_the_task_runs() -> None:
    scene = DeskScene(max_clients=4, enrol_until=500)
    signed = scene.enrolment(OUTSIDER)
    scene.desk.enrol(signed)
    assert scene.inbox.waiting(1).enrolments == {OUTSIDER.address: signed}
    scene.say(now=9_001)
    assert refusal(scene.desk.enrol, scene.enrolment(OUTSIDER, deadline=9_500)) == "E_FULL", "its time is over"
    scene.desk.enrol(scene.enrolment(SIGNERS[0], deadline=9_500))
    assert scene.inbox.waiting(1).enrolments.keys() == {OUTSIDER.address}, "nothing waits for who is in already"


def test_a_task_that_stopped_takes_nobody() -> None:
    scene = DeskScene(max_clients=4)
    lost = [told(BondForfeited, holder=EDGE.address, reporter=bytes(20), amount=1, share=0)]
    scene.say(told(RoundExpired, round=1), *lost)
    assert refusal(scene.desk.enrol, scene.enrolment(OUTSIDER)) == "E_FULL"


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": 2},
        {"spec": b"\7" * 32},
        {"stake": 1},
        {"locked_until": 9_998},
        {"signer": bytes(20)},
        {"deadline": 599},
    ],
    ids=lambda wrong: "".join(wrong),
)
def test_what_the_ledger_would_refuse_for_what_it_says_is_not_relayed(wrong: dict[str, Any]) -> None:
    """It would be skipped, at this server's expense."""
    scene = DeskScene(max_clients=4)
    assert refusal(scene.desk.enrol, scene.enrolment(OUTSIDER, **wrong)) == "E_VERIFICATION"
    assert scene.inbox.waiting(1).enrolments == {}


def test_enrolments_and_leaves_are_checked(scene: DeskScene) -> None:
    signed = scene.enrolment(OUTSIDER)
    assert refusal(scene.desk.enrol, signed) == "E_FULL"
    scene = DeskScene(max_clients=4)
    forged = SignedEnrolment(replace(signed.enrolment, client=CLIENTS[0]), signed.signature)
    assert refusal(scene.desk.enrol, forged) == "E_VERIFICATION"
    leave = Leave(1, OUTSIDER.address)
    assert refusal(scene.desk.leave, SignedLeave(leave, OUTSIDER.sign(DOMAIN, leave))) == "E_ROUND"
    assert refusal(scene.desk.claim, OUTSIDER.address) == "E_ROUND"


def test_the_signer_that_a_client_named_signs_for_it_and_nobody_else() -> None:
    scene = DeskScene()
    named = {"envelope": bytes(32), "reputation": 2, "deadline": 700, "signature": bytes(65)}
    scene.say(told(Enrolled, client=CLIENTS[0], signer=OUTSIDER.address, **named))
    assert refusal(scene.desk.submit, 1, scene.round.submission(0)) == "E_VERIFICATION"
    commitment = scene.round.committed[CLIENTS[0]].commitment
    signature = OUTSIDER.sign(DOMAIN, commitment)
    assert scene.desk.submit(1, replace(scene.round.submission(0), signature=signature)) is not None
    leave = Leave(1, CLIENTS[0])
    assert refusal(scene.desk.leave, SignedLeave(leave, SIGNERS[0].sign(DOMAIN, leave))) == "E_VERIFICATION"
    scene.desk.leave(SignedLeave(leave, OUTSIDER.sign(DOMAIN, leave)))
    assert scene.inbox.waiting(1).leaves.keys() == {CLIENTS[0]}


def test_an_enrolment_with_a_stake_is_the_clients_own() -> None:
    scene = DeskScene(max_clients=4, stake=1)
    assert refusal(scene.desk.enrol, scene.enrolment(OUTSIDER)) == "E_STAKE"


def test_everybody_can_have_a_clients_leaf_and_its_proof(scene: DeskScene) -> None:
    assert refusal(scene.desk.entitlement, CLIENTS[0]) == "E_NOT_FOUND", "no round is settled"
    allocation = replace(first_allocation(1, dict.fromkeys(CLIENTS, 3)), round=1)
    root = allocation_root(allocation)
    scene.say(told(RoundAbandoned, round=1, record=b"r" * 32, allocation_root=root, allocated=0))
    assert refusal(scene.desk.entitlement, CLIENTS[0]) == "E_NOT_FOUND", "its documents are not there"
    scene.say(Rederived(1, allocation=allocation))
    for named in (None, 1):
        verify_entitlement(root, 1, CLIENTS[0], scene.desk.entitlement(CLIENTS[0], named))
    assert refusal(scene.desk.entitlement, OUTSIDER.address, 1) == "E_NOT_FOUND"
    assert refusal(scene.desk.entitlement, CLIENTS[0], 2) == "E_NOT_FOUND"


def test_its_status_is_the_tasks_with_the_times_of_its_own_moves(scene: DeskScene) -> None:
    scene.seconds[1] = {"OpenRound": 0.25}
    status = scene.desk.status()
    assert (status.task, status.state, status.now) == (1, "running", 600)
    assert status.rounds[0].milliseconds == {"OpenRound": 250}
    timeless = replace(status, rounds=(replace(status.rounds[0], milliseconds={}),))
    assert timeless == status_of(fold(1, scene.entries), 600)
