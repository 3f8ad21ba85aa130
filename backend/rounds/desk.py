"""What phones ask of one task: answered from the published state, kept in journal and inbox, never waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from backend.rounds.bell import Bell
from backend.rounds.desk_error import DeskError
from backend.rounds.enrolling import check_enrolment, check_sender
from backend.rounds.inbox import Inbox
from backend.rounds.intake import Intake, Offered
from backend.rounds.journal import EdgeJournal
from backend.rounds.shown_plans import Endorsements, ShownPlans
from protocol.domain import Domain
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.incentives.rewards import claim_proof
from protocol.messages.chain import Event, RoundOpened, RoundPublished, TaskPosted
from protocol.messages.keys import WindowKeys
from protocol.messages.round import RoundPlan, RoundStatement, ShownPlan, SignedRoundStatement
from protocol.messages.settlement import Allocation, ProvenEntitlement
from protocol.messages.submission import (
    CommitmentBatch,
    InclusionProof,
    SignedEnrolment,
    SignedLeave,
    SignedReceipt,
    Submission,
)
from protocol.round.commitments import BatchProofs, CommitPhase
from protocol.signing import verify
from protocol.task.documents import Absent
from protocol.task.ending import is_over
from protocol.task.round_facts import RoundFacts, Settled
from protocol.task.state import TaskState
from protocol.task.status import RoundStatus, TaskStatus, status_of
from protocol.task.stopping import stopped_after
from storage.ledger.signer import Signer


@dataclass(frozen=True, slots=True)
class Announced:
    """What a phone that waits for a round is told; ``round`` 0 stands for the end of the task."""

    round: int
    plan: bytes
    statement: SignedRoundStatement | None


class Desk:
    """Methods of the phones raise a HearthError; ``censored`` clients are answered and ignored.

    ``wake`` is told that something came which a move may be waiting for; ``deep`` the last block
    that counts as confirmed after so many confirmations.
    Nothing is signed of a round before the task's confirmations lie upon what it is signed of.
    """

    def __init__(
        self,
        domain: Domain,
        signer: Signer,
        task: int,
        journal: EdgeJournal,
        inbox: Inbox,
        censored: frozenset[Address],
        wake: Callable[[int], None],
        seconds: dict[int, dict[str, float]],
        deep: Callable[[int], int],
        endorsements: Endorsements,
    ) -> None:
        self.bell = Bell()
        self._plans = ShownPlans(endorsements)
        self._deep = deep
        self._domain, self._signer, self._censored = domain, signer, censored
        self._journal, self._inbox, self._wake, self._seconds = journal, inbox, wake, seconds
        self._state, self._now = TaskState(task), 0
        self._intake = Intake(domain, signer, task, journal, wake)
        self._phase: tuple[RoundFacts, RoundPlan, CommitPhase, int] | None = None
        self._announced: tuple[RoundOpened, Announced] | None = None
        self._proofs: tuple[CommitmentBatch, BatchProofs] | None = None
        self._confirmed: RoundOpened | None = None  # which opening was last seen with its confirmations

    def publish(self, state: TaskState, now: int) -> None:
        """From now on phones are answered from this state; those that wait look at it."""
        changed = state is not self._state or is_over(state, now) != is_over(self._state, self._now)
        changed |= self._plans.are_news(state)
        self._state, self._now = state, now
        if changed:
            self._ring()

    def look_at_head(self) -> None:
        """After each look at the chain: the round that phones wait for may have its confirmations now."""
        facts = self._state.current
        deep = facts.opened if facts is not None and self._stands(facts.opened) else None
        if deep is not self._confirmed:
            self._confirmed = deep
            if deep is not None:
                self._ring()

    def _ring(self) -> None:
        """What is the same for all that wait is made before, in this thread."""
        if self.bell.is_awaited:
            with suppress(HearthError):  # each is told so by itself
                self.next_round(0)
                self._batch_proofs(len(self._state.rounds))
        self.bell.ring()

    def window_keys(self, window: int) -> WindowKeys:
        """What an enrolment in this window of rounds is sealed to: a key of every authority."""
        spec, keys = self._state.spec, self._journal.task(self._state.task).keys.get(window, {})
        if isinstance(spec, Absent) or not keys.keys() >= set(spec.committee.members):
            raise DeskError(f"not all keys of window {window} are here", code="E_KEYS_AWAITED")
        return WindowKeys(tuple(keys[member] for member in spec.committee.members))

    def enrol(self, signed: SignedEnrolment) -> None:
        """While the task runs. Whoever it is checked for here is not refused on chain for what it says itself."""
        state, enrolment = self._state, signed.enrolment
        self._own_task(enrolment.task)
        posted = self._posted()
        check_sender(self._domain, posted, signed)
        if enrolment.client in state.enrolled:
            return
        check_enrolment(self._domain, state.spec, posted, signed, self._now)
        if len(state.enrolled) >= posted.terms.max_clients or self._opens_none(state):
            raise DeskError("the task takes no more clients", fault=Party.CLIENT, code="E_FULL")
        self._inbox.enrol(signed)

    def leave(self, signed: SignedLeave) -> None:
        self._own_task(signed.leave.task)
        signer = self._state.signer_of(signed.leave.client)
        verify(self._domain, signed.leave, signed.signature, signer, Party.CLIENT)
        self._enrolled(signed.leave.client)
        self._inbox.leave(signed)

    def claim(self, client: Address) -> None:
        self._enrolled(client)
        self._inbox.claim(self._state.task, client)

    def claim_fees(self) -> None:
        """Has this server's own fees sent, and those of the authorities, when no phone claims any more."""
        self._inbox.claim(self._state.task, self._signer.address)

    def submit(self, round_number: int, submission: Submission) -> SignedReceipt | None:
        """The server's word that it will be in the batch, durable before it is given. None for the censored."""
        offered = self._offered(round_number, submission)
        return None if offered is None else self._intake.take(offered)

    async def submit_with_others(self, round_number: int, submission: Submission) -> SignedReceipt | None:
        """The same on the event loop, where what comes at one time is kept together."""
        offered = self._offered(round_number, submission)
        return None if offered is None else await self._intake.take_with_others(offered)

    def _offered(self, round_number: int, submission: Submission) -> Offered | None:
        state, facts = self._state, self._round(round_number)
        if not facts.running:
            raise DeskError(f"round {round_number} takes no commitments", fault=Party.CLIENT, code="E_ROUND")
        if state.acting != self._signer.address or self._signer.address in state.dismissed:
            raise DeskError("another edge server is acting", code="E_STANDBY")
        plan = state.plan(round_number)
        if isinstance(plan, Absent) or not self._stands(facts.opened):
            raise _starting("the plan cannot be read yet")
        phase, expected = self._commit_phase(facts, plan)
        signed = phase.commitment_of(submission)
        phase.verify(signed, state.signer_of)
        if submission.client in self._censored:
            return None
        closing = facts.batched is not None or not facts.commits  # it may be another server's
        return Offered(round_number, facts.opened.label, signed.commitment, submission, closing, expected)

    def _commit_phase(self, facts: RoundFacts, plan: RoundPlan) -> tuple[CommitPhase, int]:
        """And of how many clients a commitment is expected. Once for a round: its label is a hash over the cohort."""
        if self._phase is None or self._phase[0] is not facts or self._phase[1] is not plan:
            phase = CommitPhase.of(plan) if self._phase is None or self._phase[1] is not plan else self._phase[2]
            self._phase = facts, plan, phase, len(phase.planned - facts.directs.keys() - self._censored)
        return self._phase[2], self._phase[3]

    def next_round(self, after: int) -> Announced | None:
        """None while there is none that phones can read."""
        state, facts = self._state, self._state.current
        if facts is None:
            return Announced(0, b"", None) if state.posted is not None and self._opens_none(state) else None
        readable = isinstance(state.plan(facts.number), RoundPlan) and self._stands(facts.opened)
        if facts.number <= after or not readable:
            return None
        if self._announced is None or self._announced[0] is not facts.opened:
            announced = Announced(facts.number, facts.opened.plan, self._signed_statement(facts, ZERO_DIGEST))
            self._announced = facts.opened, announced
        return self._announced[1]

    def shown_plan(self, round_number: int, client: Address) -> ShownPlan | None:
        """None while too few authorities endorse the cohort."""
        facts, spec = self._round(round_number), self._state.spec
        plan = self._state.plan(round_number)
        if not isinstance(plan, RoundPlan) or isinstance(spec, Absent) or not self._stands(facts.opened):
            raise _starting("the plan cannot be read yet")
        if not facts.running:
            raise DeskError(f"round {round_number} takes no commitments", fault=Party.CLIENT, code="E_ROUND")
        return self._plans.of(plan, spec, client)

    def statement(self, round_number: int) -> SignedRoundStatement:
        """The server's word on a round's plan and, once it is published, its model."""
        facts = self._round(round_number)
        if not self._stands(facts.opened):
            raise _starting("the round is not confirmed yet")
        published = facts.ended if isinstance(facts.ended, RoundPublished) and self._stands(facts.ended) else None
        return self._signed_statement(facts, published.model if published else ZERO_DIGEST)

    def inclusion_proof(self, round_number: int, client: Address) -> InclusionProof | None:
        """None while there is no batch yet."""
        facts = self._round(round_number)
        if facts.batched is None:
            if not facts.commits:
                raise DeskError("the round went on without a batch", fault=Party.CLIENT, code="E_NOT_INCLUDED")
            return None
        proofs = self._batch_proofs(round_number)
        if proofs is None:
            return None
        try:
            return proofs.of(client)
        except VerificationError as error:
            raise DeskError("not in the batch", fault=Party.CLIENT, code="E_NOT_INCLUDED") from error

    def _batch_proofs(self, round_number: int) -> BatchProofs | None:
        """Of the last batch that was asked for; None while it cannot be read."""
        batch = self._state.batch(round_number) if round_number else None
        if batch is None or isinstance(batch, Absent):
            return None
        known = self._proofs
        if known is None or known[0] is not batch:
            self._proofs = known = batch, BatchProofs(batch)
        return known[1]

    def entitlement(self, client: Address, round_number: int | None = None) -> ProvenEntitlement:
        """``client``'s leaf of a settled round's allocation; of the last one when no round is named."""
        settled = [facts.number for facts in self._state.rounds if isinstance(facts.ended, Settled)]
        number = round_number or max(settled, default=0)
        allocation = self._state.allocation(number) if number in settled else None
        if not isinstance(allocation, Allocation) or client not in {e.client for e in allocation.entitlements}:
            raise DeskError("no such entitlement", fault=Party.CLIENT, code="E_NOT_FOUND")
        return claim_proof(allocation, client)

    def status(self) -> TaskStatus:
        """With the times of this server's moves."""
        status = status_of(self._state, self._now)
        return replace(status, rounds=tuple(map(self._timed, status.rounds)))

    def _timed(self, status: RoundStatus) -> RoundStatus:
        measured = dict(self._seconds.get(status.round, {}))
        return replace(status, milliseconds={phase: round(seconds * 1_000) for phase, seconds in measured.items()})

    def _opens_none(self, state: TaskState) -> bool:
        """No round will be opened any more."""
        return is_over(state, self._now) or stopped_after(state) is not None

    def _round(self, number: int) -> RoundFacts:
        """One that this server has not seen yet may be on the phone's chain already."""
        facts = self._state.round(number)
        if facts is None:
            raise _starting(f"no round {number} yet")
        return facts

    def _stands(self, event: Event) -> bool:
        spec = self._state.spec
        return not isinstance(spec, Absent) and event.block <= self._deep(spec.confirmations)

    def _posted(self) -> TaskPosted:
        if self._state.posted is None:
            raise _starting("the task is not read yet")
        return self._state.posted

    def _enrolled(self, client: Address) -> None:
        if client not in self._state.enrolled:
            raise DeskError("not enrolled", fault=Party.CLIENT, code="E_ROUND")

    def _signed_statement(self, facts: RoundFacts, model: Digest) -> SignedRoundStatement:
        self._state_round(facts, model)
        statement = RoundStatement(self._state.task, facts.number, facts.opened.label, model)
        return SignedRoundStatement(statement, self._signer.sign(self._domain, statement))

    def _state_round(self, facts: RoundFacts, model: Digest) -> None:
        if not self._journal.state_round(self._state.task, facts.number, facts.opened.label, model):
            raise DeskError(f"this server has signed something else of round {facts.number}", code="E_LABEL_USED")

    def _own_task(self, task: int) -> None:
        if task != self._state.task:
            raise VerificationError("signed for another task", fault=Party.CLIENT)


def _starting(why: str) -> DeskError:
    """The phone asks again."""
    return DeskError(why, code="E_STARTING")
