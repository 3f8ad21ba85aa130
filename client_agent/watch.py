"""What a phone watches edge servers for: two words on one round, and a receipt that the batch does not keep.

Both can be proven to the ledger. The proof goes into a file, so that anyone can file it; the phone files it itself
where the breach harms it and its account can pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from client_agent.chain_view import ChainView
from client_agent.edge_client import EdgeClient, NextRound
from client_agent.journal import AgentJournal
from protocol.canonical import decode
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.chain import RoundOpened
from protocol.messages.round import SignedRoundStatement
from protocol.messages.submission import MAX_BATCH_BYTES, CommitmentBatch, SignedCommitment, SignedReceipt
from protocol.messages.task import TaskSpec
from protocol.round.commitments import receipt_of
from protocol.signing import verify
from storage.content.interface import ContentStore, get_document
from storage.ledger.interface import Ledger
from storage.ledger.proof_file import write_proof
from storage.ledger.proofs import bad_leaf, receipt_ignored, two_statements

log = structlog.get_logger()


@dataclass
class Watch:
    """Of one phone in one task."""

    task: int
    ledger: Ledger
    store: ContentStore
    edge: EdgeClient
    journal: AgentJournal
    chain: ChainView
    folder: Path  # for proofs
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self._included: dict[int, Digest] = {}  # round -> root of the batch that was seen to hold the commitment
        self._done: set[int] = set()  # rounds whose proof was written

    def check_announcement(self, spec: TaskSpec, upcoming: NextRound) -> RoundOpened:
        """The round as the chain has it. Raises VerificationError unless a server of the task announced just that."""
        server = self._signer_of(spec, upcoming.statement)
        opened = self.chain.opened(upcoming.round)
        if opened is None:
            raise VerificationError("the announced round is not on chain", fault=Party.EDGE_SERVER)
        if upcoming.statement.statement.label != opened.label:
            self._prove_two_statements(spec, server, upcoming.statement)
            raise VerificationError("the announced label is not the one on chain", fault=Party.EDGE_SERVER)
        if opened.plan != upcoming.plan:
            raise VerificationError("the announced plan is not the one on chain", fault=Party.EDGE_SERVER)
        return opened

    def keep_receipt(self, signed: SignedCommitment, receipt: SignedReceipt | None) -> None:
        """Raises VerificationError unless it is the word of the server whose batch it will be."""
        commitment = signed.commitment
        server = self.chain.server_of(commitment.round)
        if receipt is None or receipt.server != server:
            raise VerificationError("no receipt of the round's edge server", fault=Party.EDGE_SERVER)
        statement = receipt_of(commitment)
        verify(self.ledger.domain, statement, receipt.signature, server, Party.EDGE_SERVER)
        self.journal.keep_receipt(commitment.round, receipt)

    def included(self, round_number: int, root: Digest) -> None:
        """The batch of this root holds the phone's commitment; another one may come if the chain takes it back."""
        self._included[round_number] = root

    def look(self) -> None:
        """Proves every receipt that was not kept; each once in this process."""
        added = {number for number, was_added in self.journal.outcomes.items() if was_added}
        for number in sorted(self.journal.receipts.keys() - self._done - added):
            if self._is_included(number):
                continue
            view = self.ledger.round(self.task, number)
            if view.batched == 0 and self.ledger.now() <= view.commit_until:
                continue  # the batch may still come
            try:
                self._check_receipt(number)
            except HearthError as error:
                log.warning("receipt not checked", round=number, error=str(error))

    def _is_included(self, number: int) -> bool:
        """By what was read of the chain last, which may be too little to know of the batch that was seen."""
        root, event = self._included.get(number), self.chain.batch(number)
        if root is None:
            return False
        return event.root == root if event is not None else not self.chain.is_over(number)

    def _check_receipt(self, number: int) -> None:
        signed, receipt = self.journal.sealed[number].commitment, self.journal.receipts[number]
        event, batch = self.chain.batch(number), None
        if event is not None:
            batch = decode(CommitmentBatch, get_document(self.store, event.batch, MAX_BATCH_BYTES), MAX_BATCH_BYTES)
            if signed in batch.commitments:
                self.included(number, event.root)
                return
        self._done.add(number)
        client, server = signed.commitment.client, receipt.server
        harmed = not self.ledger.has_committed_directly(self.task, number, client)
        clients = [entry.commitment.client for entry in batch.commitments] if batch is not None else []
        if batch is not None and client in clients:  # under this phone's name, but not signed by it
            proof = bad_leaf(self.task, number, server, batch, clients.index(client))
            self._report("badLeaf", number, server, proof, file=harmed)
        else:
            proof = receipt_ignored(server, signed.commitment, receipt.signature, batch)
            self._report("receiptIgnored", number, server, proof, file=harmed)

    def _prove_two_statements(self, spec: TaskSpec, server: Address, one: SignedRoundStatement) -> None:
        """Asks for the server's word again: to the chain's question it can only repeat it, or contradict itself."""
        other = self.edge.statement(self.task, one.statement.round)
        if self._signer_of(spec, other) == server and other.statement.label != one.statement.label:
            proof = two_statements(server, one, other)
            self._report("twoStatements", one.statement.round, server, proof, file=True)

    def _signer_of(self, spec: TaskSpec, signed: SignedRoundStatement) -> Address:
        for server in spec.edge_servers:
            try:
                verify(self.ledger.domain, signed.statement, signed.signature, server, Party.EDGE_SERVER)
                return server
            except VerificationError:
                continue
        raise VerificationError("not signed by an edge server of this task", fault=Party.EDGE_SERVER)

    def _report(self, kind: str, number: int, culprit: Address, proof: bytes, *, file: bool) -> None:
        path = write_proof(self.folder, kind, self.task, number, culprit, proof)
        self.tell(f"round {number}: edge server {to_hex(culprit)} broke its word ({kind}); proof in {path}")
        if file:
            try:
                self.ledger.dispute(proof)
                self.tell(f"round {number}: proven on chain, the round is frozen")
            except HearthError as error:  # no gas, or another one was faster
                self.tell(f"round {number}: not proven on chain by this phone: {error}")
