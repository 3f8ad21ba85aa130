"""What phones may ask of the edge server, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from backend.rounds.desk import Announced, Desk
from backend.rounds.history import RoundFacts, TaskHistory
from backend.rounds.journal import EdgeJournal
from protocol.errors import HearthError, Party
from protocol.identifiers import ZERO_DIGEST
from protocol.incentives.rewards import allocation_root, first_allocation, verify_entitlement
from protocol.messages.round import RoundStatement
from protocol.messages.submission import Enrolment, Leave, SignedEnrolment, SignedLeave
from protocol.messages.task import DepositTerms
from protocol.round.commitments import batch_root, commitment_of, receipt_of, verify_inclusion
from protocol.signing import verify
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from tests.samples import DOMAIN, private_key
from tests.unit.backend.rounds.scene_round import CLIENTS, SIGNERS, PlannedRound

OUTSIDER, EDGE = Signer(private_key("client", 99)), Signer(private_key("edge"))


class _Scene:
    def __init__(self, folder: Path, censored: frozenset[bytes] = frozenset()) -> None:
        self.round = PlannedRound()
        self.facts = RoundFacts(self.round.opened(), self.round.plan, self.round.indices)
        self.journal = EdgeJournal(Journal(folder / "journal"))
        self.history: Any = SimpleNamespace(
            task=1,
            spec=self.round.spec,
            view=SimpleNamespace(max_clients=3),
            enrolled=dict.fromkeys(CLIENTS),
            left=set(),
            rounds={1: self.facts},
            current=self.facts,
        )
        self.desk = Desk(DOMAIN, EDGE, cast(TaskHistory, self.history), self.journal, censored)
        self.desk.announce(self.facts)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[_Scene]:
    made = _Scene(tmp_path)
    yield made
    made.journal.close()


def _refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(HearthError) as caught:
        call(*arguments)
    return caught.value.code


def test_a_submission_is_durable(scene: _Scene) -> None:
    receipt = scene.desk.submit(1, scene.round.submission(0))
    assert receipt is not None and receipt.server == EDGE.address
    commitment = commitment_of(scene.round.plan, scene.round.submission(0)).commitment
    verify(DOMAIN, receipt_of(commitment), receipt.signature, EDGE.address, Party.EDGE_SERVER)
    assert scene.desk.submit(1, scene.round.submission(0)) == receipt
    assert scene.journal.submissions(1, 1) == {CLIENTS[0]: scene.round.submission(0)}


def test_bad_submissions_are_refused_and_not_kept(scene: _Scene) -> None:
    good = scene.round.submission(0)
    for bad in (
        replace(good, nonce=b"\x09" * 16),
        replace(good, ciphertext=b"\x09" * 32),
        replace(good, client=CLIENTS[1]),
        replace(good, client=OUTSIDER.address),
        replace(good, signature=good.signature[:-1] + b"\x1d"),
    ):
        assert _refusal(scene.desk.submit, 1, bad) in ("E_VERIFICATION", "E_MALFORMED")
    assert _refusal(scene.desk.submit, 2, good) == "E_ROUND"
    assert scene.journal.submissions(1, 1) == {}


def test_another_submission_of_the_same_client_is_refused(scene: _Scene) -> None:
    scene.desk.submit(1, scene.round.submission(0))
    signed = scene.round.commit(SIGNERS[0], scene.round.values[CLIENTS[0]], b"\x07" * 16)
    second = replace(
        scene.round.submission(0),
        nonce=signed.commitment.nonce,
        ciphertext=signed.commitment.ciphertext,
        signature=signed.signature,
    )
    assert _refusal(scene.desk.submit, 1, second) == "E_SUBMITTED"


def test_no_receipt_once_the_batch_is_closed(scene: _Scene, tmp_path: Path) -> None:
    receipt = scene.desk.submit(1, scene.round.submission(0))
    assert scene.journal.close_batch(1, 1) == {CLIENTS[0]: scene.round.submission(0)}
    assert _refusal(scene.desk.submit, 1, scene.round.submission(1)) == "E_ROUND"
    assert scene.desk.submit(1, scene.round.submission(0)) == receipt, "this one will be in it"
    scene.journal.close()
    scene.journal = EdgeJournal(Journal(tmp_path / "journal"))
    assert scene.journal.keep_submission(1, 1, scene.round.submission(1)) is None


def test_after_the_batch_nothing_is_taken_and_receipts_are_given(scene: _Scene) -> None:
    assert scene.desk.inclusion_proof(1, CLIENTS[0]) is None
    scene.facts.batch = scene.round.batch()
    assert _refusal(scene.desk.submit, 1, scene.round.submission(0)) == "E_ROUND"
    receipt = scene.desk.inclusion_proof(1, CLIENTS[0])
    assert receipt is not None
    verify_inclusion(batch_root(scene.facts.batch), scene.round.committed[CLIENTS[0]], receipt)
    assert _refusal(scene.desk.inclusion_proof, 1, OUTSIDER.address) == "E_NOT_INCLUDED"
    assert _refusal(scene.desk.inclusion_proof, 2, CLIENTS[0]) == "E_ROUND"


def test_everybody_can_have_a_clients_leaf_and_its_proof(scene: _Scene) -> None:
    allocation = replace(first_allocation(1, dict.fromkeys(CLIENTS, 3)), round=1)
    scene.history.before = lambda _: (None, allocation)
    assert _refusal(scene.desk.entitlement, CLIENTS[0]) == "E_NOT_FOUND", "no round is settled"
    scene.facts.ended, scene.facts.record = cast(Any, object()), cast(Any, object())
    for named in (None, 1):
        verify_entitlement(allocation_root(allocation), 1, CLIENTS[0], scene.desk.entitlement(CLIENTS[0], named))
    assert _refusal(scene.desk.entitlement, OUTSIDER.address, 1) == "E_NOT_FOUND"
    assert _refusal(scene.desk.entitlement, CLIENTS[0], 2) == "E_NOT_FOUND"


def test_a_censored_client_is_answered_and_ignored(tmp_path: Path) -> None:
    scene = _Scene(tmp_path, frozenset({CLIENTS[0]}))
    assert scene.desk.submit(1, scene.round.submission(0)) is None
    assert scene.journal.submissions(1, 1) == {}
    scene.journal.close()


def test_a_server_that_came_back_asks_for_patience(scene: _Scene) -> None:
    back = Desk(DOMAIN, EDGE, scene.history, scene.journal, frozenset())
    assert _refusal(back.submit, 1, scene.round.submission(0)) == "E_STARTING"
    back.announce(scene.facts)
    back.submit(1, scene.round.submission(0))


def test_rounds_are_announced_until_the_task_ends(scene: _Scene) -> None:
    announced = scene.desk.next_round(0)
    assert announced is not None and announced.statement is not None
    assert announced == Announced(1, scene.facts.opened.plan, announced.statement)
    assert announced.statement.statement == RoundStatement(1, 1, scene.round.plan.label(), ZERO_DIGEST)
    verify(DOMAIN, announced.statement.statement, announced.statement.signature, EDGE.address, Party.EDGE_SERVER)
    assert scene.desk.statement(1) == announced.statement
    assert _refusal(scene.desk.statement, 2) == "E_ROUND"
    assert scene.desk.next_round(1) is None
    scene.desk.end()
    assert scene.desk.next_round(1) == Announced(0, b"", None)


def test_enrolments_and_leaves_are_checked(scene: _Scene) -> None:
    enrolment = Enrolment(1, OUTSIDER.address, b"\1" * 32)
    signed = SignedEnrolment(enrolment, OUTSIDER.sign(DOMAIN, enrolment))
    assert _refusal(scene.desk.enrol, signed) == "E_FULL"
    scene.history.view.max_clients = 4
    scene.desk.enrol(signed)
    forged = SignedEnrolment(replace(enrolment, client=CLIENTS[0]), signed.signature)
    assert _refusal(scene.desk.enrol, forged) == "E_VERIFICATION"
    other = Enrolment(2, OUTSIDER.address, b"\1" * 32)
    assert _refusal(scene.desk.enrol, SignedEnrolment(other, OUTSIDER.sign(DOMAIN, other))) == "E_VERIFICATION"
    leave = Leave(1, OUTSIDER.address)
    assert _refusal(scene.desk.leave, SignedLeave(leave, OUTSIDER.sign(DOMAIN, leave))) == "E_ROUND"
    assert _refusal(scene.desk.claim, OUTSIDER.address) == "E_ROUND"


def test_an_enrolment_with_a_stake_is_the_clients_own(scene: _Scene) -> None:
    scene.history.spec = replace(scene.round.spec, deposits=DepositTerms(client=1))
    scene.history.view.max_clients = 4
    enrolment = Enrolment(1, OUTSIDER.address, b"\1" * 32)
    assert _refusal(scene.desk.enrol, SignedEnrolment(enrolment, OUTSIDER.sign(DOMAIN, enrolment))) == "E_STAKE"
