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
from protocol.messages.chain import RoundOpened
from protocol.messages.round import CohortPlace
from protocol.messages.submission import (
    Commitment,
    CommitmentBatch,
    InclusionProof,
    SignedCommitment,
    SignedReceipt,
)
from protocol.round.commitments import batch_root, verify_inclusion
from protocol.round.scheme import encoding_of
from protocol.task.documents import Absent, Lack
from protocol.task.margins import landing_seconds, margins, pace_blocks
from protocol.task.round_facts import RoundFacts
from storage.content.memory import MemoryStore
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError
from tests.samples import sample_spec

BODY, CLIENT, SPEC = b"ciphertext", bytes(20), sample_spec()
RECEIPT = SignedReceipt(bytes(20), bytes(65))
COMMIT_UNTIL, OBJECT_UNTIL = 400, 360
MARGIN = landing_seconds(SPEC, 1)
DIRECT_DUE = COMMIT_UNTIL - MARGIN
PLACE = CohortPlace(0, 2, ())


class _Scene:
    """``answers`` of the edge server in order: to a submission a receipt, to a poll None or what is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.waits, self.sent = list(answers), list[int](), list[SignedCommitment]()
        self.facts = SimpleNamespace(
            number=1,
            opened=SimpleNamespace(block=9, commit_until=COMMIT_UNTIL, settle_until=700),
            batched=None,
            directs=dict[bytes, Any](),
        )
        self.receipts = dict[int, SignedReceipt]()
        store = MemoryStore()
        digest = store.put(BODY, encoding_of(SPEC).block_bytes).digest
        self.signed = SignedCommitment(Commitment(1, 1, CLIENT, bytes(32), bytes(16), digest), bytes(65))
        state = SimpleNamespace(round=lambda _: self.facts, times={}, batch=lambda _: self.batch)
        self.delivery = Delivery(
            ledger=cast(Ledger, SimpleNamespace(commit_direct=self._commit_direct, prepare=self._prepare)),
            store=store,
            edge=cast(EdgeClient, SimpleNamespace(submit=self._answer, inclusion_proof=self._poll)),
            journal=cast(Any, SimpleNamespace(body=lambda _: BODY, receipts=self.receipts)),
            followed=cast(FollowedTask, SimpleNamespace(state=state, refresh=lambda: state, read=lambda *_: state)),
            watch=cast(Any, SimpleNamespace(keep_receipt=self._keep, keep_inclusion=self._keep_inclusion)),
            tell=lambda _: None,
        )
        self.refusal: Exception | None = None
        self.batch: CommitmentBatch | Absent = Absent(bytes(32), Lack.MISSING, CLIENT)
        self.seen = list[tuple[int, bytes]]()
        self.prepared = False

    def step(self, now: int, wait_seconds: int = 20) -> float | None:
        return self.delivery.step(SPEC, cast(RoundFacts, self.facts), Sealed(self.signed, PLACE), now, wait_seconds)

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

    def _keep_inclusion(self, batched: Any, signed: SignedCommitment, inclusion: InclusionProof) -> None:
        verify_inclusion(batched.root, signed, inclusion)
        self.seen.append((signed.commitment.round, batched.root))

    def _prepare(self) -> None:
        self.prepared = True

    def _commit_direct(self, signed: SignedCommitment, place: CohortPlace) -> None:
        assert place == PLACE
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
    for now in (60, 60, 70, DIRECT_DUE - 2):
        assert scene.step(now) is not None
        assert scene.prepared, "before it is in a hurry"
    half = SPEC.durations.objection_seconds // 2
    assert scene.waits == [half, half, 2], "never beyond the instant from which it commits by itself"
    assert scene.sent == []
    assert scene.step(DIRECT_DUE) is None
    assert scene.sent == [scene.signed]


def test_a_refusal_is_not_waited_out() -> None:
    scene = _Scene(RECEIPT, EdgeRefusedError("not in the batch", code="E_NOT_INCLUDED"))
    assert scene.step(0) is None
    assert scene.sent == [scene.signed]


def test_a_batch_that_went_before_a_restart_is_asked_for_and_nothing_submitted() -> None:
    scene = _Scene(EdgeRefusedError("not in the batch", code="E_NOT_INCLUDED"))
    scene.facts.batched = SimpleNamespace(root=bytes(32), object_until=OBJECT_UNTIL)
    assert scene.step(0) is None
    assert (len(scene.waits), scene.sent) == (1, [scene.signed])


def test_a_batch_without_a_word_is_objected_to_in_time() -> None:
    """It is on chain, and nobody proves that this update is in it."""
    scene = _Scene(None, None)
    scene.receipts[1], scene.facts.batched = RECEIPT, SimpleNamespace(root=bytes(32), object_until=OBJECT_UNTIL)
    for now in (300, OBJECT_UNTIL - MARGIN - 1):
        assert scene.step(now) is not None
    assert (scene.waits, scene.sent) == ([15, 1], [])
    assert scene.step(OBJECT_UNTIL - MARGIN) is None
    assert scene.sent == [scene.signed]


def test_a_phone_that_cannot_pay_goes_on_asking() -> None:
    scene = _Scene(None, EdgeRefusedError("not in the batch", code="E_NOT_INCLUDED"))
    scene.receipts[1], scene.facts.batched = RECEIPT, SimpleNamespace(root=bytes(32), object_until=OBJECT_UNTIL)
    scene.refusal = LedgerError("no money")
    for now in (OBJECT_UNTIL - MARGIN, OBJECT_UNTIL + 1):
        assert scene.step(now) is not None
    assert (scene.waits, scene.answers) == ([0, 0], [])


@pytest.mark.parametrize("held", [True, False])
def test_what_the_batch_holds_is_not_paid_for_again(held: bool) -> None:
    """The server is away since it put the batch on chain; content has it."""
    scene = _Scene(EdgeUnavailableError("away"))
    scene.batch = CommitmentBatch((scene.signed,) if held else ())
    root = batch_root(CommitmentBatch((scene.signed,)))
    scene.facts.batched = SimpleNamespace(root=root, object_until=COMMIT_UNTIL)
    assert scene.step(DIRECT_DUE - 1) is not None
    assert scene.step(DIRECT_DUE) is None
    assert (scene.sent, scene.seen) == (([], [(1, root)]) if held else ([scene.signed], []))


def test_a_batch_that_is_shown_under_another_root_holds_nothing() -> None:
    """The ledger goes by the root: it would pay nobody whom the shown batch alone has."""
    scene = _Scene(EdgeUnavailableError("away"))
    scene.batch = CommitmentBatch((scene.signed,))
    scene.facts.batched = SimpleNamespace(root=bytes(32), object_until=COMMIT_UNTIL)
    assert scene.step(DIRECT_DUE) is None
    assert (scene.sent, scene.seen) == ([scene.signed], [])


def test_the_server_batches_before_a_phone_pays_by_itself() -> None:
    """With the same blocks before them, on chains of any pace."""
    for spec, block in ((sample_spec(confirmations=c), b) for c in (0, 3, 12) for b in (1, 12, 60)):
        opened = RoundOpened(
            block=49, log_index=0, transaction=bytes(32), task=1, round=1, plan=bytes(32), label=bytes(32),
            cohort_root=bytes(32), cohort=3, beacon=bytes(32),
            commit_until=COMMIT_UNTIL, settle_until=700,
        )  # fmt: skip
        times = {number: number * block for number in pace_blocks(49)}
        found = margins(spec, opened, times)
        landing = min(landing_seconds(spec, block), spec.durations.commit_seconds // 4)
        last = COMMIT_UNTIL - spec.durations.objection_seconds
        assert found.batch_due == max(COMMIT_UNTIL - 300 + 2 * spec.schedule.training_seconds, last - landing)
        assert found.quiet_from == found.batch_due - landing
        assert found.objection == min(landing, spec.durations.objection_seconds // 2)


def test_what_is_committed_directly_is_done() -> None:
    scene = _Scene()
    scene.facts.directs[CLIENT] = object()
    assert scene.step(0) is None
    assert scene.sent == []


def test_a_chain_that_is_away_is_asked_again_and_a_contract_that_refuses_is_not() -> None:
    scene = _Scene(EdgeUnavailableError("away"))
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
