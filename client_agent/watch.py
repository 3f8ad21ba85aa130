"""What a phone watches edge servers for: two words on one round, and a receipt that the batch does not keep.

Both can be proven to the ledger. The proof goes into a file, so that anyone can file it; the phone files it itself
where the breach harms it and its account can pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from client_agent.copies import CopyError, require_alone_in
from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError, NextRound
from client_agent.followed_task import DocumentAbsentError, FollowedTask
from client_agent.journal import AgentJournal
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import BatchCommitted
from protocol.messages.round import SignedRoundStatement
from protocol.messages.submission import InclusionProof, SignedCommitment, SignedReceipt
from protocol.round.commitments import inclusion_proof_of, receipt_of, verify_inclusion
from protocol.signing import verify
from protocol.task.documents import Absent, Kind
from protocol.task.round_facts import RoundFacts
from storage.ledger.credits import collect
from storage.ledger.interface import Ledger, TransactionRevertedError
from storage.ledger.proof_file import write_proof
from storage.ledger.proofs import bad_leaf, receipt_ignored, two_statements

log = structlog.get_logger()
RETRY_SECONDS: Final = 15  # between two looks for a batch that is withheld


@dataclass
class Watch:
    """Of one phone in one task."""

    ledger: Ledger
    edge: EdgeClient
    journal: AgentJournal
    followed: FollowedTask
    folder: Path  # for proofs
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self._done: set[int] = set()  # rounds whose proof was written
        self._next_look: dict[int, int] = {}

    @property
    def task(self) -> int:
        return self.followed.state.task

    def check_announcement(self, upcoming: NextRound) -> None:
        """Raises VerificationError unless a server of the task announced just what the chain has."""
        server = self._signer_of(upcoming.statement)
        facts = self.followed.state.round(upcoming.round)
        if facts is None:
            raise VerificationError("the announced round is not on chain", fault=Party.EDGE_SERVER)
        if upcoming.statement.statement.label != facts.opened.label:
            self._prove_two_statements(server, upcoming.statement)
            raise VerificationError("the announced label is not the one on chain", fault=Party.EDGE_SERVER)
        if facts.opened.plan != upcoming.plan:
            raise VerificationError("the announced plan is not the one on chain", fault=Party.EDGE_SERVER)

    def keep_receipt(self, signed: SignedCommitment, receipt: SignedReceipt | None) -> None:
        """Raises VerificationError unless it is the word of the server whose batch it will be."""
        commitment = signed.commitment
        facts = self.followed.state.round(commitment.round)
        if receipt is None or facts is None or receipt.server != facts.server:
            raise VerificationError("no receipt of the round's edge server", fault=Party.EDGE_SERVER)
        statement = receipt_of(commitment)
        verify(self.ledger.domain, statement, receipt.signature, facts.server, Party.EDGE_SERVER)
        self.journal.keep_receipt(commitment.round, receipt)

    def keep_inclusion(self, batched: BatchCommitted, signed: SignedCommitment, inclusion: InclusionProof) -> None:
        """Raises VerificationError unless this batch holds the phone's commitment just there."""
        verify_inclusion(batched.root, signed, inclusion)
        self.journal.keep_inclusion(signed.commitment.round, batched.root, inclusion)

    def check_receipts(self, now: int) -> None:
        """Proves every receipt that was not kept, each once in this process, while the ledger takes the proof."""
        for number in sorted(self.journal.receipts.keys() - self._done):
            facts = self.followed.state.round(number)
            if facts is None or now < self._next_look.get(number, 0):
                continue
            try:
                if self._may_be_broken(facts, now):
                    self._check_receipt(facts)
            except CopyError:
                raise
            except HearthError as error:
                log.warning("receipt not checked", round=number, error=str(error))
                self._next_look[number] = now + RETRY_SECONDS

    def _may_be_broken(self, facts: RoundFacts, now: int) -> bool:
        """The round can be disputed, and what is known of its batch does not show that the receipt is kept.

        A receipt under a label that the chain took back promises nothing.
        """
        state, included = self.followed.state, self.journal.included.get(facts.number)
        if self.journal.sealed[facts.number].commitment.commitment.label != facts.opened.label:
            return False
        undecided = facts is state.last_settled() and now < (state.payable_from() or 0)
        if not facts.running and not undecided:
            return False
        if facts.batched is None:  # it may still come, or be on the chain that others see
            late = now > facts.opened.commit_until
            return included is None and late and self.followed.is_past(facts.opened.commit_until)
        kept = included is not None and included.root == facts.batched.root
        return not kept and self.followed.is_buried(facts.batched)

    def _check_receipt(self, facts: RoundFacts) -> None:
        number = facts.number
        signed, receipt = self.journal.sealed[number].commitment, self.journal.receipts[number]
        if facts.batched is not None and self._is_shown_in(facts.batched, signed):
            return
        batch = self.followed.read(number, Kind.BATCH).batch(number)
        if isinstance(batch, Absent):
            raise DocumentAbsentError(Kind.BATCH, batch)
        client, server = signed.commitment.client, receipt.server
        if facts.batched is not None and signed in batch.commitments:
            self.keep_inclusion(facts.batched, signed, inclusion_proof_of(batch, client))
            return
        require_alone_in(batch, self.ledger, self.journal, client)  # else it would be accused of their word
        self._done.add(number)
        harmed = client not in facts.directs
        clients = [entry.commitment.client for entry in batch.commitments]
        if client in clients:  # under this phone's name, but not signed by it
            proof = bad_leaf(self.task, number, server, batch, clients.index(client))
            self._report("badLeaf", number, server, proof, file=harmed)
        else:
            proof = receipt_ignored(server, signed.commitment, receipt.signature, batch)
            self._report("receiptIgnored", number, server, proof, file=harmed)

    def _is_shown_in(self, batched: BatchCommitted, signed: SignedCommitment) -> bool:
        """By a server's proof: the whole batch is only read where none gives one."""
        commitment = signed.commitment
        try:
            proof = self.edge.inclusion_proof(commitment.task, commitment.round, commitment.client, 0)
            if proof is not None:
                self.keep_inclusion(batched, signed, proof)
        except (EdgeUnavailableError, EdgeRefusedError, VerificationError) as error:
            log.info("no proof of inclusion", round=commitment.round, error=str(error))
            return False
        return proof is not None

    def _prove_two_statements(self, server: Address, one: SignedRoundStatement) -> None:
        """Asks for the server's word again: to the chain's question it can only repeat it, or contradict itself."""
        other = self.edge.statement(self.task, one.statement.round)
        if self._signer_of(other) == server and other.statement.label != one.statement.label:
            proof = two_statements(server, one, other)
            self._report("twoStatements", one.statement.round, server, proof, file=True)

    def _signer_of(self, signed: SignedRoundStatement) -> Address:
        posted = self.followed.state.posted
        for server in posted.terms.edge_servers if posted else ():
            try:
                verify(self.ledger.domain, signed.statement, signed.signature, server, Party.EDGE_SERVER)
                return server
            except VerificationError:
                continue
        raise VerificationError("not signed by an edge server of this task", fault=Party.EDGE_SERVER)

    def _report(self, kind: str, number: int, culprit: Address, proof: bytes, *, file: bool) -> None:
        """An accusation that the ledger would refuse is none: it is asked before anything is sent."""
        path = write_proof(self.folder, kind, self.task, number, culprit, proof)
        said = f"round {number}: edge server {to_hex(culprit)} broke its word ({kind}); proof in {path}"
        if not file:
            self.tell(said)
            return
        try:
            self.ledger.dispute(proof)
            self.tell(said)
            self.tell(f"round {number}: proven on chain, the round is frozen")
            collect(self.ledger, self.task)
        except TransactionRevertedError as error:  # another one was faster, or there is nothing to prove
            self.tell(f"round {number}: the ledger does not take the proof ({kind}) kept in {path}: {error}")
        except HearthError as error:  # no gas, most likely
            self.tell(f"{said}. Not filed by this phone, anybody can: hearth dispute {path}. {error}")
