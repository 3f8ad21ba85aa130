"""Another phone of the same account: a backup was restored while the phone that it is of goes on, or twice (ADR 64)."""

from __future__ import annotations

from client_agent.journal import AgentJournal
from client_agent.place import PlaceError
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.messages.submission import CommitmentBatch, SignedCommitment
from protocol.signing import verify
from storage.ledger.interface import LedgerReader


class CopyError(PlaceError):
    """Another phone signs for this account: a backup was restored while the phone that it is of goes on, or twice."""

    code = "E_COPY"


def require_own(journal: AgentJournal, signed: SignedCommitment) -> None:
    """``signed`` by this account, as the chain or a batch has it. One phone signs one commitment for each round.

    Raises CopyError for one that this phone did not sign; its signature has to be verified before.
    """
    commitment = signed.commitment
    kept = journal.sealed.get(commitment.round)
    if commitment.round > journal.passed and (kept is None or kept.commitment.commitment != commitment):
        raise CopyError(
            f"round {commitment.round}: another phone works for account {to_hex(commitment.client)}. Two are one too"
            " many: go on with one of them, and delete the folder of the other"
        )


def require_alone_in(batch: CommitmentBatch, ledger: LedgerReader, journal: AgentJournal, client: Address) -> None:
    """Raises CopyError where the batch holds another word of this account than its phone gave. No server forges one."""
    for other in batch.commitments:
        if other.commitment.client == client:
            try:
                verify(ledger.domain, other.commitment, other.signature, client, Party.EDGE_SERVER)
            except VerificationError:
                continue
            require_own(journal, other)
