"""An update goes the direct way as soon as the edge server gives no word that it takes it, and always in time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from client_agent.delivery import Delivery
from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.followed_task import FollowedTask
from client_agent.journal import Sealed
from protocol.errors import VerificationError
from protocol.messages.submission import Commitment, SignedCommitment, SignedReceipt
from protocol.round.scheme import encoding_of
from protocol.task.round_facts import RoundFacts
from storage.content.memory import MemoryStore
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError
from tests.samples import sample_spec

BODY, CLIENT, SPEC = b"ciphertext", bytes(20), sample_spec()
RECEIPT = SignedReceipt(bytes(20), bytes(65))
COMMIT_UNTIL, MARGIN = 100, 10


class _Scene:
    """``answers`` of the edge server in order: to a submission a receipt, to a poll None or what is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.waits, self.sent = list(answers), list[int](), list[SignedCommitment]()
        self.facts = SimpleNamespace(
            number=1, opened=SimpleNamespace(commit_until=COMMIT_UNTIL), batched=None, directs=dict[bytes, Any]()
        )
        self.receipts = dict[int, SignedReceipt]()
        store = MemoryStore()
        digest = store.put(BODY, encoding_of(SPEC).block_bytes).digest
        self.signed = SignedCommitment(Commitment(1, 1, CLIENT, bytes(32), bytes(16), digest), bytes(65))
        state = SimpleNamespace(round=lambda _: self.facts)
        self.delivery = Delivery(
            ledger=cast(Ledger, SimpleNamespace(commit_direct=self._commit_direct, prepare=self._prepare)),
            store=store,
            edge=cast(EdgeClient, SimpleNamespace(submit=self._answer, inclusion_proof=self._poll)),
            journal=cast(Any, SimpleNamespace(body=lambda _: BODY, receipts=self.receipts)),
            followed=cast(FollowedTask, SimpleNamespace(refresh=lambda: state)),
            watch=cast(Any, SimpleNamespace(keep_receipt=self._keep)),
            tell=lambda _: None,
            direct_margin_seconds=MARGIN,
        )
        self.refusal: Exception | None = None
        self.prepared = False

    def step(self, now: int, wait_seconds: int = 20) -> float | None:
        return self.delivery.step(SPEC, cast(RoundFacts, self.facts), Sealed(self.signed), now, wait_seconds)

    def _answer(self, *_: Any) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _poll(self, _: int, __: int, ___: bytes, wait_seconds: int) -> Any:
        self.waits.append(wait_seconds)
        return self._answer()

    def _keep(self, _: Any, receipt: SignedReceipt | None) -> None:
        if receipt != RECEIPT:
            raise VerificationError("no receipt of the round's edge server")
        self.receipts[1] = receipt

    def _prepare(self) -> None:
        self.prepared = True

    def _commit_direct(self, signed: SignedCommitment) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.sent.append(signed)


@pytest.mark.parametrize("receipt", [None, SignedReceipt(b"\1" * 20, bytes(65))])
def test_without_a_good_receipt_nothing_is_waited_for(receipt: SignedReceipt | None) -> None:
    scene = _Scene(receipt)
    assert scene.step(0) is None
    assert (scene.sent, scene.waits) == ([scene.signed], [])


def test_what_has_a_receipt_is_not_submitted_again() -> None:
    scene = _Scene(RECEIPT, None, None)
    for now in (0, 1):
        assert scene.step(now) is not None
    assert (scene.answers, scene.sent) == ([], [])


def test_a_phone_that_finds_nobody_acting_commits_directly_in_time() -> None:
    """The first server died with the submission; the substitute has no proof and is not waited for too long."""
    scene = _Scene(EdgeUnavailableError("nobody acts"), RECEIPT, None, None, None)
    for now in (60, 60, 70, 88):
        assert scene.step(now) is not None
        assert scene.prepared, "before it is in a hurry"
    assert scene.waits == [20, 20, 2], "never beyond the instant from which it commits by itself"
    assert scene.sent == []
    assert scene.step(COMMIT_UNTIL - MARGIN) is None
    assert scene.sent == [scene.signed]


def test_a_refusal_is_not_waited_out() -> None:
    scene = _Scene(RECEIPT, EdgeRefusedError("not in the batch", code="E_NOT_INCLUDED"))
    assert scene.step(0) is None
    assert scene.sent == [scene.signed]


def test_a_batch_that_went_before_a_restart_is_asked_for_and_nothing_submitted() -> None:
    scene = _Scene(EdgeRefusedError("not in the batch", code="E_NOT_INCLUDED"))
    scene.facts.batched = SimpleNamespace(root=bytes(32))
    assert scene.step(0) is None
    assert (len(scene.waits), scene.sent) == (1, [scene.signed])


def test_what_is_committed_directly_is_done() -> None:
    scene = _Scene()
    scene.facts.directs[CLIENT] = object()
    assert scene.step(0) is None
    assert scene.sent == []


def test_a_chain_that_is_away_is_asked_again_and_a_contract_that_refuses_is_not() -> None:
    scene = _Scene()
    scene.refusal = LedgerError("away")
    assert scene.step(COMMIT_UNTIL) is not None
    scene.refusal = TransactionRevertedError("RoundUnexpected")
    assert scene.step(COMMIT_UNTIL) is None
    assert scene.step(COMMIT_UNTIL + 1) is None


def test_a_ciphertext_that_changed_on_disk_is_not_sent() -> None:
    scene = _Scene()
    scene.delivery.journal = cast(Any, SimpleNamespace(body=lambda _: b"other", receipts={}))
    with pytest.raises(VerificationError, match="changed on disk"):
        scene.step(0)
