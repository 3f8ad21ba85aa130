"""One sealed update on its way: stored, submitted, seen in the batch; committed directly when the server fails it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.journal import AgentJournal, Sealed
from client_agent.membership import PATIENCE_SECONDS
from client_agent.watch import Watch
from protocol.errors import VerificationError
from protocol.messages.submission import Submission
from protocol.messages.task import TaskSpec
from protocol.round.commitments import verify_inclusion
from protocol.round.scheme import encoding_of
from storage.content.interface import ContentStore
from storage.ledger.interface import Ledger, LedgerError, TransactionRevertedError

log = structlog.get_logger()


@dataclass
class Delivery:
    """Of one phone; every step may be repeated after a kill."""

    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    watch: Watch
    tell: Callable[[str], None]
    poll_seconds: int
    direct_margin_seconds: int
    sleep: Callable[[float], None] = time.sleep

    def deliver(self, spec: TaskSpec, sealed: Sealed, commit_until: int) -> int:
        """Store, submit, await the inclusion proof; without receipt or proof, commit directly. Bytes stored."""
        signed = sealed.commitment
        commitment = signed.commitment
        body = self.journal.body(commitment.round)
        if self.store.put(body, encoding_of(spec).block_bytes).digest != commitment.ciphertext:
            raise VerificationError("the sealed ciphertext has changed on disk")
        submission = Submission(commitment.client, commitment.nonce, commitment.ciphertext, signed.signature)
        margin = min(self.direct_margin_seconds, spec.durations.commit_seconds // 4)
        submitted = False
        while (now := self.ledger.now()) <= commit_until:
            try:
                if now < commit_until - margin:
                    if not submitted:
                        receipt = self.edge.submit(commitment.task, commitment.round, submission)
                        self.watch.keep_receipt(signed, receipt)
                        submitted = True
                    wait = min(self.poll_seconds, commit_until - margin - now)
                    proof = self.edge.inclusion_proof(commitment.task, commitment.round, commitment.client, wait)
                    if proof is None:
                        continue
                    root = self.ledger.round(commitment.task, commitment.round).batch_root
                    verify_inclusion(root, signed, proof)
                    self.watch.included(commitment.round, root)
                    return len(body)
            except EdgeUnavailableError:
                self.ledger.prepare()  # it may come to a direct commitment, at the last moment
                self.sleep(PATIENCE_SECONDS)
                continue
            except (EdgeRefusedError, VerificationError) as error:
                log.info("not in the batch", round=commitment.round, error=str(error))
                submitted = False
            if self.commit_directly(sealed):
                break
            self.sleep(PATIENCE_SECONDS)
        return len(body)

    def commit_directly(self, sealed: Sealed) -> bool:
        """The way round a censoring or absent edge server; costs gas. False when it may still work later."""
        commitment = sealed.commitment.commitment
        try:
            if not self.ledger.has_committed_directly(commitment.task, commitment.round, commitment.client):
                self.ledger.commit_direct(sealed.commitment)
                self.tell(f"round {commitment.round}: committed directly on chain")
        except TransactionRevertedError as error:
            log.warning("direct commitment refused", round=commitment.round, error=str(error))
        except LedgerError as error:
            log.warning("no direct commitment", round=commitment.round, error=str(error))
            return False
        return True
