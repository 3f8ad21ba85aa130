"""One sealed update on its way: stored, submitted, seen in the batch; committed directly when the server fails it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from client_agent.copies import require_alone_in
from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.followed_task import FollowedTask
from client_agent.journal import AgentJournal, Sealed
from client_agent.membership import PATIENCE_SECONDS
from client_agent.watch import Watch
from protocol.errors import VerificationError
from protocol.messages.submission import SignedCommitment, Submission
from protocol.messages.task import TaskSpec
from protocol.round.commitments import inclusion_proof_of
from protocol.round.scheme import encoding_of
from protocol.task.documents import Absent, Kind
from protocol.task.margins import margins
from protocol.task.round_facts import RoundFacts
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError

log = structlog.get_logger()


@dataclass
class Delivery:
    """Of one phone; every step may be repeated after a kill. What has a receipt is not submitted again."""

    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    followed: FollowedTask
    watch: Watch
    tell: Callable[[str], None]
    stored: dict[int, int] = field(default_factory=dict)  # bytes, by round, of this process

    def step(self, spec: TaskSpec, facts: RoundFacts, sealed: Sealed, now: int, wait_seconds: int) -> float | None:
        """One request or transaction; when to come again, None when the update is in or cannot come in any more.

        Without receipt or inclusion proof it is committed directly, at the latest just before the time for objections
        to the batch ends, or the commit phase. A phone that cannot pay for that goes on asking.
        """
        signed = sealed.commitment
        if now > facts.opened.commit_until or signed.commitment.client in facts.directs:
            return None
        if facts.number not in self.stored:
            self._store(spec, signed)
        left = self.direct_due(spec, facts) - now
        if left <= 0 and self._went_another_way(facts, sealed):
            return None
        # a server that keeps the request must not keep this phone beyond the objections to a batch that comes meanwhile
        wait = min(wait_seconds, max(0, left), spec.durations.objection_seconds // 2)
        try:
            return None if self._through_server(facts, signed, wait) else now + PATIENCE_SECONDS
        except EdgeUnavailableError:
            self.ledger.prepare()  # it may come to a direct commitment, at the last moment
            return now + PATIENCE_SECONDS
        except (EdgeRefusedError, VerificationError) as error:
            log.info("not in the batch", round=facts.number, error=str(error))
        return None if left > 0 and self._went_another_way(facts, sealed) else now + PATIENCE_SECONDS

    def relay_due(self, spec: TaskSpec, facts: RoundFacts) -> int:
        """Block time in seconds until which an edge server waits for this phone: later only its own gas helps."""
        return min(margins(spec, facts.opened, self.followed.state.times).batch_due, self.direct_due(spec, facts))

    def direct_due(self, spec: TaskSpec, facts: RoundFacts) -> int:
        """Block time in seconds from which this phone commits directly; the edge server's batch is due before."""
        until = facts.batched.object_until if facts.batched else facts.opened.commit_until
        return until - margins(spec, facts.opened, self.followed.state.times).objection

    def _store(self, spec: TaskSpec, signed: SignedCommitment) -> None:
        number, body = signed.commitment.round, self.journal.body(signed.commitment.round)
        if self.store.put(body, encoding_of(spec).block_bytes).digest != signed.commitment.ciphertext:
            raise VerificationError("the sealed ciphertext has changed on disk")
        self.stored[number] = len(body)

    def _through_server(self, facts: RoundFacts, signed: SignedCommitment, wait_seconds: int) -> bool:
        """True when it is in the batch that is on chain."""
        commitment = signed.commitment
        if facts.number not in self.journal.receipts and facts.batched is None:
            submission = Submission(commitment.client, commitment.nonce, commitment.ciphertext, signed.signature)
            self.watch.keep_receipt(signed, self.edge.submit(commitment.task, facts.number, submission))
        proof = self.edge.inclusion_proof(commitment.task, facts.number, commitment.client, wait_seconds)
        if proof is None:
            return False
        known = self.followed.refresh().round(facts.number)
        if known is None or known.batched is None:
            return False
        self.watch.keep_inclusion(known.batched, signed, proof)
        return True

    def _went_another_way(self, facts: RoundFacts, sealed: Sealed) -> bool:
        return self._is_batched(facts, sealed.commitment) or self._commit_directly(sealed)

    def _is_batched(self, facts: RoundFacts, signed: SignedCommitment) -> bool:
        """As content has the batch on chain: a server that says nothing any more may have done its part."""
        if facts.batched is None:
            return False
        batch = self.followed.read(facts.number, Kind.BATCH).batch(facts.number)
        if isinstance(batch, Absent):
            return False
        if signed not in batch.commitments:
            require_alone_in(batch, self.ledger, self.journal, signed.commitment.client)
            return False
        try:
            inclusion = inclusion_proof_of(batch, signed.commitment.client)
            self.watch.keep_inclusion(facts.batched, signed, inclusion)
        except VerificationError as error:  # what is shown is not what is on chain
            log.warning("not in the batch on chain", round=facts.number, error=str(error))
            return False
        return True

    def _commit_directly(self, sealed: Sealed) -> bool:
        """The way round a censoring or absent edge server; costs gas. False when it may still work later."""
        number = sealed.commitment.commitment.round
        try:
            self.ledger.commit_direct(sealed.commitment, sealed.place)
            self.tell(f"round {number}: committed directly on chain")
        except TransactionRevertedError as error:
            log.warning("direct commitment refused", round=number, error=str(error))
        except LedgerError as error:
            log.warning("no direct commitment", round=number, error=str(error))
            return False
        return True
