"""A phone notices an edge server that breaks its word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from client_agent.edge_client import EdgeClient, EdgeUnavailableError, NextRound
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal, Sealed
from client_agent.watch import Watch
from protocol.cohort import place_of
from protocol.errors import VerificationError
from protocol.identifiers import Address, Label
from protocol.messages.chain import BondForfeited, RoundFrozen, RoundPublished
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.submission import InclusionProof, SignedCommitment, Submission
from protocol.round.commitments import commitment_of
from protocol.round.state_table import RoundState
from protocol.task.documents import Kind
from storage.ledger.interface import TransactionRevertedError
from storage.ledger.proof_file import read_proof
from storage.ledger.signer import Signer
from storage.records.journal import Journal
from tests.ports.reference_chain import DOMAIN
from tests.samples import private_key
from tests.unit.backend.rounds.scene_committee import CLIENTS
from tests.unit.backend.rounds.scene_server import Scene

VICTIM = 1
EDGE = Signer(private_key("edge"))


class _Phone:
    """Of the victim: its journal, its view, and its watch."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.told = scene, list[str]()
        self.journal = AgentJournal(Journal(folder / "journal"))
        self.ledger = scene.chain.ledger(DOMAIN.ledger, CLIENTS[VICTIM])
        self.followed = FollowedTask(self.ledger, scene.store, 1, CLIENTS[VICTIM].address)
        self.followed.refresh()
        self.followed.read(0, Kind.SPEC)
        edge = cast(EdgeClient, _Desk(scene))
        self.watch = Watch(self.ledger, edge, self.journal, self.followed, folder / "proofs", self.told.append)

    def submit(self) -> SignedCommitment:
        """As a phone does, with the receipt kept."""
        submission = self.scene.submission(VICTIM, 1)
        signed = commitment_of(self.scene.plan(1), submission)
        plan = self.scene.plan(1)
        self.journal.seal(Sealed(signed, place_of(plan.weights, submission.client)), b"")
        self.followed.refresh()
        self.watch.keep_receipt(signed, self.scene.desk.submit(1, submission))
        return signed

    def check(self) -> None:
        self.followed.refresh()
        self.watch.check_receipts(self.ledger.now())

    def close(self) -> None:
        self.journal.close()


class _Desk:
    """The edge server's HTTP interface, without HTTP."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def inclusion_proof(self, *_: object) -> None:
        raise EdgeUnavailableError("it proves nothing")

    def statement(self, _: int, number: int) -> SignedRoundStatement:
        return self.scene.desk.statement(number)


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.start()
    made.enrol()
    made.chain.fund(DOMAIN.ledger, CLIENTS[VICTIM].address)
    return made


@pytest.fixture
def phone(scene: Scene, tmp_path: Path) -> Iterator[_Phone]:
    made = _Phone(scene, tmp_path / "phone")
    yield made
    made.close()


def _leave_out(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dishonest server: a receipt for everyone, a batch without the victim."""
    close = scene.journal.close_batch

    def dishonest(task: int, number: int, label: Label) -> dict[Address, Submission]:
        kept = close(task, number, label)
        return {client: sent for client, sent in kept.items() if client != CLIENTS[VICTIM].address}

    monkeypatch.setattr(scene.journal, "close_batch", dishonest)


def test_a_receipt_that_is_kept_proves_nothing(scene: Scene, phone: _Phone) -> None:
    scene.announced(1)
    phone.submit()
    phone.check()
    scene.submit(1, (0, 2))
    scene.ended(RoundPublished, 1)
    phone.check()
    assert phone.told == []
    assert not (phone.watch.folder).exists()


def test_a_receipt_that_is_not_kept_is_proven(
    scene: Scene, phone: _Phone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _leave_out(scene, monkeypatch)
    scene.announced(1)
    phone.submit()
    scene.submit(1, (0, 2))
    scene.until(lambda: scene.facts(1).batched)
    phone.check()
    phone.check()
    events = scene.ledger.events(1)
    assert [(event.round, event.culprit) for event in events if isinstance(event, RoundFrozen)] == [(1, EDGE.address)]
    assert [event.reporter for event in events if isinstance(event, BondForfeited)] == [CLIENTS[VICTIM].address]
    (file,) = phone.watch.folder.iterdir()
    found = read_proof(file)
    assert (found.kind, found.task, found.round, found.culprit) == ("receiptIgnored", 1, 1, EDGE.address)
    assert len(phone.told) == 2


def test_an_accusation_that_the_ledger_would_not_take_is_none(
    scene: Scene, phone: _Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leave_out(scene, monkeypatch)
    scene.announced(1)
    phone.submit()
    scene.submit(1, (0, 2))
    scene.until(lambda: scene.facts(1).batched)
    monkeypatch.setattr(phone.ledger, "dispute", _refused)
    phone.check()
    (line,) = phone.told
    assert "broke its word" not in line and "does not take the proof (receiptIgnored)" in line


def _refused(_: bytes) -> None:
    raise TransactionRevertedError("NothingProven")


def test_a_batch_that_the_chain_took_back_is_not_believed(
    scene: Scene, phone: _Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phone saw its commitment under another root than the one that stayed."""
    _leave_out(scene, monkeypatch)
    scene.announced(1)
    phone.submit()
    phone.journal.keep_inclusion(1, b"\x07" * 32, InclusionProof(0, ()))
    phone.check()
    assert phone.told == [], "no batch was read yet"
    scene.submit(1, (0, 2))
    scene.until(lambda: scene.facts(1).batched)
    phone.check()
    assert read_proof(next(phone.watch.folder.iterdir())).kind == "receiptIgnored"


def test_one_that_got_in_by_itself_only_keeps_the_proof(
    scene: Scene, phone: _Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Freezing the round would cost everybody, itself included, the reward."""
    _leave_out(scene, monkeypatch)
    scene.announced(1)
    signed = phone.submit()
    scene.submit(1, (0, 2))
    scene.until(lambda: scene.facts(1).batched)
    phone.ledger.commit_direct(signed, phone.journal.sealed[1].place)
    phone.check()
    assert len(list(phone.watch.folder.iterdir())) == 1
    assert len(phone.told) == 1
    scene.ended(RoundPublished, 1)
    assert scene.ledger.round(1, 1).state is RoundState.PUBLISHED


def test_no_batch_at_all_is_proven_once_it_cannot_come_any_more(scene: Scene, phone: _Phone) -> None:
    scene.announced(1)
    phone.submit()
    scene.crash()
    phone.check()
    assert phone.told == []
    scene.pass_time_to(scene.facts(1).opened.commit_until + 1)
    phone.check()
    assert scene.ledger.round(1, 1).state is RoundState.FROZEN
    scene.start()


def test_a_phone_whose_clock_is_ahead_accuses_nobody(scene: Scene, phone: _Phone) -> None:
    """The last block is from before the end of the commit phase: the batch may be in the next one."""
    scene.announced(1)
    phone.submit()
    scene.crash()
    phone.followed.refresh()
    phone.watch.check_receipts(scene.facts(1).opened.settle_until - 1)
    assert phone.told == [] and not phone.watch.folder.exists()


def test_a_batch_that_may_still_be_in_time_elsewhere_is_waited_for(tmp_path: Path) -> None:
    """The phone's chain has no batch yet, and too few blocks to be sure that there is none."""
    scene = Scene(confirmations=3)
    for _ in range(3):
        scene.chain.mine()  # upon the task
    scene.start()
    scene.enrol()
    scene.chain.fund(DOMAIN.ledger, CLIENTS[VICTIM].address)
    phone = _Phone(scene, tmp_path)
    scene.announced(1)
    phone.submit()
    scene.crash()
    scene.pass_time_to(scene.facts(1).opened.commit_until + 1)
    for _ in range(3):
        phone.check()
        assert phone.told == []
        scene.chain.mine()
    phone.check()
    assert scene.ledger.round(1, 1).state is RoundState.FROZEN
    phone.close()


def test_receipts_survive_a_restart(scene: Scene, phone: _Phone, tmp_path: Path) -> None:
    scene.announced(1)
    phone.submit()
    phone.journal.close()
    phone.journal = AgentJournal(Journal(tmp_path / "phone" / "journal"))
    assert phone.journal.receipts.keys() == {1}


@pytest.mark.parametrize("fault", ["none", "stranger", "other commitment"])
def test_only_a_receipt_of_the_rounds_own_server_counts(scene: Scene, phone: _Phone, fault: str) -> None:
    scene.announced(1)
    phone.followed.refresh()
    submission = scene.submission(VICTIM, 1)
    signed = commitment_of(scene.plan(1), submission)
    good = scene.desk.submit(1, submission)
    assert good is not None
    receipt = {
        "none": None,
        "stranger": replace(good, server=CLIENTS[0].address),
        "other commitment": scene.desk.submit(1, scene.submission(0, 1)),
    }[fault]
    with pytest.raises(VerificationError):
        phone.watch.keep_receipt(signed, receipt)
    assert phone.journal.receipts == {}


def test_two_words_on_one_round_are_proven(scene: Scene, phone: _Phone) -> None:
    scene.announced(1)
    plan = scene.facts(1).opened.plan
    phone.followed.refresh()
    said = RoundStatement(1, 1, b"\x07" * 32, bytes(32))
    with pytest.raises(VerificationError, match="not signed"):
        phone.watch.check_announcement(NextRound(1, plan, SignedRoundStatement(said, CLIENTS[0].sign(DOMAIN, said))))
    assert scene.ledger.round(1, 1).state is RoundState.OPEN
    with pytest.raises(VerificationError, match="label"):
        phone.watch.check_announcement(NextRound(1, plan, SignedRoundStatement(said, EDGE.sign(DOMAIN, said))))
    assert scene.ledger.round(1, 1).state is RoundState.FROZEN
    assert read_proof(next(phone.watch.folder.iterdir())).kind == "twoStatements"


def test_an_announcement_must_be_what_is_on_chain(scene: Scene, phone: _Phone) -> None:
    scene.announced(1)
    good = NextRound(1, scene.facts(1).opened.plan, scene.desk.statement(1))
    phone.followed.refresh()
    phone.watch.check_announcement(good)
    with pytest.raises(VerificationError, match="plan"):
        phone.watch.check_announcement(replace(good, plan=b"\x07" * 32))
    later = RoundStatement(1, 2, b"\x07" * 32, bytes(32))
    signed = SignedRoundStatement(later, EDGE.sign(DOMAIN, later))
    with pytest.raises(VerificationError, match="not on chain"):
        phone.watch.check_announcement(NextRound(2, good.plan, signed))
