"""What phones ask of one task: answered from the published state, kept in journal and inbox, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from backend.rounds.inbox import Inbox
from backend.rounds.journal import EdgeJournal
from protocol.domain import Domain
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest
from protocol.incentives.rewards import claim_proof
from protocol.messages.chain import Event, RoundPublished, TaskPosted
from protocol.messages.keys import WindowKeys
from protocol.messages.round import RoundPlan, RoundStatement, SignedRoundStatement
from protocol.messages.settlement import Allocation, ProvenEntitlement
from protocol.messages.submission import InclusionProof, SignedEnrolment, SignedLeave, SignedReceipt, Submission
from protocol.round.commitments import commitment_of, inclusion_proof_of, receipt_of, verify_commitment
from protocol.signing import verify
from protocol.task.documents import Absent
from protocol.task.ending import is_over
from protocol.task.round_facts import RoundFacts, Settled
from protocol.task.state import TaskState
from protocol.task.status import RoundStatus, TaskStatus, status_of
from protocol.task.stopping import stopped_after
from storage.ledger.signer import Signer


class DeskError(HearthError):
    """A request that cannot be taken.

    ``E_FULL``, ``E_STAKE``, ``E_ROUND``, ``E_NOT_INCLUDED``, ``E_SUBMITTED``, ``E_STARTING``, ``E_KEYS_AWAITED``,
    ``E_STANDBY`` for what only the acting edge server may take, and ``E_LABEL_USED`` where this server has signed
    something else.
    """

    code = "E_DESK"


class Bell:
    """Wakes every waiting request of the event loop from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    async def wait(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self._event is None:
            self._loop, self._event = loop, asyncio.Event()
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            pass

    def ring(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._renew)

    def _renew(self) -> None:
        event, self._event = self._event, asyncio.Event()
        if event is not None:
            event.set()


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
    ) -> None:
        self.bell = Bell()
        self._deep = deep
        self._domain, self._signer, self._censored = domain, signer, censored
        self._journal, self._inbox, self._wake, self._seconds = journal, inbox, wake, seconds
        self._state, self._now = TaskState(task), 0

    def publish(self, state: TaskState, now: int) -> None:
        """From now on phones are answered from this state; those that wait look at it."""
        changed = state is not self._state or is_over(state, now) != is_over(self._state, self._now)
        self._state, self._now = state, now
        if changed:
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
        verify(self._domain, enrolment, signed.signature, enrolment.client, Party.CLIENT)
        terms = self._posted().terms
        if terms.stake:
            message = "this task asks for a stake: the client sends its enrolment itself, with its own money"
            raise DeskError(message, fault=Party.CLIENT, code="E_STAKE")
        if enrolment.client in state.enrolled:
            return
        said = enrolment.spec, enrolment.stake, enrolment.locked_until
        agreed = said == (terms.spec, terms.stake, self._posted().claim_until) and any(enrolment.signer)
        if not agreed or enrolment.deadline < self._now:
            raise VerificationError("the enrolment is for other terms, or too old", fault=Party.CLIENT)
        if len(state.enrolled) >= terms.max_clients or self._opens_none(state):
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
        state, facts = self._state, self._round(round_number)
        if not facts.running:
            raise DeskError(f"round {round_number} takes no commitments", fault=Party.CLIENT, code="E_ROUND")
        if state.acting != self._signer.address or self._signer.address in state.dismissed:
            raise DeskError("another edge server is acting", code="E_STANDBY")
        plan = state.plan(round_number)
        if isinstance(plan, Absent) or not self._stands(facts.opened):
            raise _starting("the plan cannot be read yet")
        signed = commitment_of(plan, submission)
        verify_commitment(plan, signed, state.signer_of)
        if submission.client in self._censored:
            return None
        if facts.batched is not None or facts.requested is not None:
            self._journal.close_batch(state.task, round_number, facts.opened.label)  # it may be another server's
        self._state_round(facts, ZERO_DIGEST)
        kept = self._journal.keep_submission(state.task, round_number, submission)
        if kept is None:
            raise DeskError(f"the batch of round {round_number} is closed", fault=Party.CLIENT, code="E_ROUND")
        if kept != submission:
            raise DeskError("another commitment came before", fault=Party.CLIENT, code="E_SUBMITTED")
        self._wake(state.task)
        return SignedReceipt(self._signer.address, self._signer.sign(self._domain, receipt_of(signed.commitment)))

    def next_round(self, after: int) -> Announced | None:
        """None while there is none that phones can read."""
        state, facts = self._state, self._state.current
        if facts is None:
            return Announced(0, b"", None) if state.posted is not None and self._opens_none(state) else None
        readable = isinstance(state.plan(facts.number), RoundPlan) and self._stands(facts.opened)
        if facts.number <= after or not readable:
            return None
        return Announced(facts.number, facts.opened.plan, self._signed_statement(facts, ZERO_DIGEST))

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
            if facts.requested is not None or not facts.running:
                raise DeskError("the round went on without a batch", fault=Party.CLIENT, code="E_NOT_INCLUDED")
            return None
        batch = self._state.batch(round_number)
        if isinstance(batch, Absent):
            return None
        try:
            return inclusion_proof_of(batch, client)
        except VerificationError as error:
            raise DeskError("not in the batch", fault=Party.CLIENT, code="E_NOT_INCLUDED") from error

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
