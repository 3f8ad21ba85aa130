"""Where phones and the coordinator meet: requests wait here for the coordinator, its news wait here for the phones."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import structlog

from backend.rounds.history import RoundFacts, TaskHistory
from backend.rounds.journal import EdgeJournal
from backend.rounds.settlement import Settlement
from protocol.domain import Domain
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Address, Digest, to_hex
from protocol.incentives.rewards import claim_proof
from protocol.messages.chain import RoundExpired, RoundPublished
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.settlement import PUBLISHED, ProvenEntitlement
from protocol.messages.submission import InclusionProof, SignedEnrolment, SignedLeave, SignedReceipt, Submission
from protocol.round.commitments import commitment_of, inclusion_proof_of, receipt_of, verify_commitment
from protocol.signing import verify
from storage.ledger.interface import Ledger, TransactionRevertedError
from storage.ledger.signer import Signer

ENROLMENTS_AT_ONCE = 50
MAX_WAITING = 10_000

log = structlog.get_logger()


class DeskError(HearthError):
    """A request that cannot be taken.

    ``E_FULL``, ``E_STAKE``, ``E_NOT_FOUND``, ``E_ROUND``, ``E_NOT_INCLUDED``, ``E_SUBMITTED``, ``E_STARTING``, and
    ``E_STANDBY`` for what only the server in charge may take.
    """

    code = "E_DESK"


class Bell:
    """Wakes every waiting request of the event loop from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    async def wait(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = self._event or asyncio.Event()
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
    """One task's. Methods of the phones raise a HearthError; ``censored`` clients are answered and ignored."""

    def __init__(
        self, domain: Domain, signer: Signer, history: TaskHistory, journal: EdgeJournal, censored: frozenset[Address]
    ) -> None:
        self.bell = Bell()
        self.censored = censored
        self._domain, self._signer, self._history, self._journal = domain, signer, history, journal
        self._lock = threading.Lock()
        self._enrolments: dict[Address, SignedEnrolment] = {}
        self._leaves: dict[Address, SignedLeave] = {}
        self._claims: set[Address] = set()
        self._announced: RoundFacts | None = None
        self._standby = False
        self._ended = False
        self._seen: object = None
        self._seconds: dict[int, dict[str, float]] = {}

    # what phones ask

    def enrol(self, signed: SignedEnrolment) -> None:
        enrolment = signed.enrolment
        self._own_task(enrolment.task)
        verify(self._domain, enrolment, signed.signature, enrolment.client, Party.CLIENT)
        if self._history.spec.deposits.client:
            message = "this task asks for a stake: the client sends its enrolment itself, with its own money"
            raise DeskError(message, fault=Party.CLIENT, code="E_STAKE")
        view = self._history.view
        if enrolment.client not in self._history.enrolled and len(self._history.enrolled) >= view.max_clients:
            raise DeskError("the task takes no more clients", fault=Party.CLIENT, code="E_FULL")
        self._queue(self._enrolments, enrolment.client, signed)

    def leave(self, signed: SignedLeave) -> None:
        self._own_task(signed.leave.task)
        verify(self._domain, signed.leave, signed.signature, signed.leave.client, Party.CLIENT)
        if signed.leave.client not in self._history.enrolled:
            raise DeskError("not enrolled", fault=Party.CLIENT, code="E_ROUND")
        self._queue(self._leaves, signed.leave.client, signed)

    def claim(self, client: Address) -> None:
        if client not in self._history.enrolled:
            raise DeskError("not enrolled", fault=Party.CLIENT, code="E_ROUND")
        with self._lock:
            self._claims.add(client)

    def submit(self, round_number: int, submission: Submission) -> SignedReceipt | None:
        """The server's word that it will be in the batch, durable before it is given. None for the censored."""
        facts = self._announced
        if facts is None and self._history.current is not None:
            raise DeskError("the server has just come back", code="E_STARTING")
        if self._standby:
            raise DeskError("another edge server is in charge", code="E_STANDBY")
        if facts is None or facts.number != round_number or facts.ended is not None:
            raise DeskError(f"round {round_number} takes no commitments", fault=Party.CLIENT, code="E_ROUND")
        signed = commitment_of(facts.plan, submission)
        verify_commitment(facts.plan, signed)
        if submission.client in self.censored:
            return None
        if facts.batch is not None or facts.requested is not None:
            self._journal.close_batch(self._history.task, round_number)  # it may be another server's
        kept = self._journal.keep_submission(self._history.task, round_number, submission)
        if kept is None:
            raise DeskError(f"the batch of round {round_number} is closed", fault=Party.CLIENT, code="E_ROUND")
        if kept != submission:
            raise DeskError("another commitment came before", fault=Party.CLIENT, code="E_SUBMITTED")
        receipt = receipt_of(signed.commitment)
        return SignedReceipt(self._signer.address, self._signer.sign(self._domain, receipt))

    def next_round(self, after: int) -> Announced | None:
        facts = self._announced
        if self._ended:
            return Announced(0, b"", None)
        if facts is None or facts.number <= after:
            return None
        return Announced(facts.number, facts.opened.plan, self._signed_statement(facts, ZERO_DIGEST))

    def statement(self, round_number: int) -> SignedRoundStatement:
        """The server's word on a round's plan and, once it is published, its model."""
        facts = self._history.rounds.get(round_number)
        if facts is None:
            raise DeskError(f"no round {round_number}", fault=Party.CLIENT, code="E_ROUND")
        model = facts.ended.model if isinstance(facts.ended, RoundPublished) else ZERO_DIGEST
        return self._signed_statement(facts, model)

    def inclusion_proof(self, round_number: int, client: Address) -> InclusionProof | None:
        """None while there is no batch yet."""
        facts = self._history.rounds.get(round_number)
        if facts is None:
            raise DeskError(f"no round {round_number}", fault=Party.CLIENT, code="E_ROUND")
        if facts.batch is None:
            if facts.ended is not None or facts.requested is not None:
                raise DeskError("the round went on without a batch", fault=Party.CLIENT, code="E_NOT_INCLUDED")
            return None
        try:
            return inclusion_proof_of(facts.batch, client)
        except VerificationError as error:
            raise DeskError("not in the batch", fault=Party.CLIENT, code="E_NOT_INCLUDED") from error

    def entitlement(self, client: Address, round_number: int | None = None) -> ProvenEntitlement:
        """``client``'s leaf of a settled round's allocation; of the last one when no round is named."""
        ended = [n for n, facts in list(self._history.rounds.items()) if facts.record is not None and facts.ended]
        number = round_number or max(ended, default=0)
        allocation = self._history.before(number + 1)[1] if number in ended else None
        if allocation is None or allocation.round != number or client not in self._history.enrolled:
            raise DeskError("no such entitlement", fault=Party.CLIENT, code="E_NOT_FOUND")
        return claim_proof(allocation, client)

    def status(self) -> dict[str, Any]:
        """For people and the demonstration; nobody has to believe it."""
        rounds = [self._round_status(facts) for facts in list(self._history.rounds.values())]
        return {
            "task": self._history.task,
            "title": self._history.spec.title,
            "state": "ended" if self._ended else "running" if rounds else "enrolling",
            "enrolled": len(self._history.enrolled),
            "rounds": rounds,
        }

    # what the coordinator does

    def announce(self, facts: RoundFacts, standby: bool = False) -> None:
        """``standby``: another server is in charge of the round, and takes its commitments."""
        known, self._standby, self._announced = self._announced, standby, facts
        if facts is not known:
            self.bell.ring()

    def end(self) -> None:
        self._ended = True
        self.bell.ring()

    def settle(self) -> None:
        """Wakes waiting phones when something that they wait for may have changed."""
        rounds = self._history.rounds
        last = rounds.get(len(rounds))
        seen = (len(rounds), last is not None and last.batch is not None, last is not None and last.ended is not None)
        if seen != self._seen:
            self._seen = seen
            self.bell.ring()

    def time(self, round_number: int, phase: str, seconds: float) -> None:
        phases = self._seconds.setdefault(round_number, {})
        phases[phase] = round(phases.get(phase, 0.0) + seconds, 3)

    def relay(self, ledger: Ledger, settlement: Settlement) -> None:
        """Sends what waits, many enrolments in one transaction."""
        with self._lock:
            enrolled = self._history.enrolled
            enrolments = [signed for client, signed in sorted(self._enrolments.items()) if client not in enrolled]
            leaves = [signed for client, signed in sorted(self._leaves.items()) if client not in self._history.left]
            claims = frozenset(self._claims)
            self._enrolments, self._leaves, self._claims = {}, {}, set()
        for start in range(0, len(enrolments), ENROLMENTS_AT_ONCE):
            self._relay_enrolments(ledger, enrolments[start : start + ENROLMENTS_AT_ONCE])
        for signed in leaves:
            try:
                ledger.leave(signed)
            except TransactionRevertedError as error:
                log.warning("leave refused", client=to_hex(signed.leave.client), error=str(error))
        settlement.relay_claims(claims)

    def _relay_enrolments(self, ledger: Ledger, enrolments: list[SignedEnrolment]) -> None:
        try:
            ledger.enrol(enrolments)
        except TransactionRevertedError as error:
            if len(enrolments) == 1:
                log.warning("enrolment refused", client=to_hex(enrolments[0].enrolment.client), error=str(error))
                return
            for signed in enrolments:  # one bad entry must not keep the others out
                self._relay_enrolments(ledger, [signed])

    def _queue(self, waiting: dict[Address, Any], client: Address, signed: object) -> None:
        with self._lock:
            if len(waiting) >= MAX_WAITING:
                raise DeskError("too many requests wait", code="E_STARTING")
            waiting[client] = signed

    def _signed_statement(self, facts: RoundFacts, model: Digest) -> SignedRoundStatement:
        statement = RoundStatement(self._history.task, facts.number, facts.opened.label, model)
        return SignedRoundStatement(statement, self._signer.sign(self._domain, statement))

    def _own_task(self, task: int) -> None:
        if task != self._history.task:
            raise VerificationError("signed for another task", fault=Party.CLIENT)

    def _round_status(self, facts: RoundFacts) -> dict[str, Any]:
        status: dict[str, Any] = {
            "round": facts.number,
            "cohort": len(facts.plan.weights),
            "committed": len(facts.committed()),
            "outcome": None,
            "seconds": dict(self._seconds.get(facts.number, {})),
        }
        record = facts.record
        if isinstance(facts.ended, RoundExpired):
            status["outcome"] = "expired"
        if record is not None:
            status["outcome"] = record.outcome
            status["accepted"] = len(record.verdict.accepted)
            status["rejected"] = {to_hex(entry.client): entry.reason for entry in record.verdict.rejected}
            status["epsilon"] = record.charge.epsilon
        if record is not None and record.outcome == PUBLISHED and isinstance(facts.ended, RoundPublished):
            status["correct"], status["examples"] = facts.ended.correct, facts.ended.examples
            status["accuracy"] = facts.ended.correct / facts.ended.examples
        return status
