"""From signed commitments to the committed set of a round: signatures, batch tree, inclusion proofs, precedence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from protocol import merkle
from protocol.domain import Domain, commitment_leaf
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest, Label, to_hex
from protocol.messages.round import PlanHead, RoundPlan
from protocol.messages.submission import (
    BatchLeaf,
    Commitment,
    CommitmentBatch,
    InclusionProof,
    Receipt,
    SignedCommitment,
    Submission,
)
from protocol.signing import struct_hash, verify

SignerOf = Callable[[Address], Address]  # the key that a client named for the task: ``TaskState.signer_of``


def domain_of(plan: PlanHead) -> Domain:
    return Domain(plan.chain_id, plan.ledger)


@dataclass(frozen=True, slots=True)
class CommitPhase:
    """What the commitments of one round are held against. Made once for a plan: its label is a hash over all of it."""

    domain: Domain
    task: int
    round: int
    label: Label
    planned: frozenset[Address]

    @classmethod
    def of(cls, plan: RoundPlan) -> Self:
        planned = frozenset(entry.client for entry in plan.weights)
        return cls(domain_of(plan), plan.task, plan.round, plan.label(), planned)

    def commitment_of(self, submission: Submission) -> SignedCommitment:
        """The commitment that a submission stands for; not yet verified."""
        client, nonce, ciphertext = submission.client, submission.nonce, submission.ciphertext
        commitment = Commitment(self.task, self.round, client, self.label, nonce, ciphertext)
        return SignedCommitment(commitment, submission.signature)

    def verify(self, signed: SignedCommitment, signer_of: SignerOf) -> None:
        """Raises VerificationError unless a planned client's signer signed this for this very round."""
        commitment = signed.commitment
        if (commitment.task, commitment.round, commitment.label) != (self.task, self.round, self.label):
            raise VerificationError("the commitment is for another task, round or label", fault=Party.CLIENT)
        if commitment.client not in self.planned:
            raise VerificationError(f"{to_hex(commitment.client)} is not in the cohort", fault=Party.CLIENT)
        verify(self.domain, commitment, signed.signature, signer_of(commitment.client), Party.CLIENT)


def commitment_of(plan: RoundPlan, submission: Submission) -> SignedCommitment:
    """The commitment that a submission stands for under this plan; not yet verified."""
    return CommitPhase.of(plan).commitment_of(submission)


def verify_commitment(plan: RoundPlan, signed: SignedCommitment, signer_of: SignerOf) -> None:
    """Raises VerificationError unless a planned client's signer signed this for this very round."""
    CommitPhase.of(plan).verify(signed, signer_of)


def batch_of(commitments: Iterable[SignedCommitment]) -> CommitmentBatch:
    return CommitmentBatch(tuple(sorted(commitments, key=lambda signed: signed.commitment.client)))


def verify_batch(plan: RoundPlan, batch: CommitmentBatch, signer_of: SignerOf) -> None:
    """Every commitment valid, clients strictly ascending (so nobody twice)."""
    clients = [signed.commitment.client for signed in batch.commitments]
    if clients != sorted(set(clients)):
        raise VerificationError("batch not strictly ascending by client", fault=Party.EDGE_SERVER)
    phase = CommitPhase.of(plan)
    for signed in batch.commitments:
        phase.verify(signed, signer_of)


def batch_leaves(batch: CommitmentBatch) -> list[Digest]:
    return [
        commitment_leaf(index, struct_hash(signed.commitment), signed.signature)
        for index, signed in enumerate(batch.commitments)
    ]


def batch_root(batch: CommitmentBatch) -> Digest:
    return merkle.root(batch_leaves(batch))


class BatchProofs:
    """Inclusion proofs of one batch, whose tree is made once."""

    def __init__(self, batch: CommitmentBatch) -> None:
        self._tree = merkle.Tree(batch_leaves(batch))
        self._index = {signed.commitment.client: index for index, signed in enumerate(batch.commitments)}

    def of(self, client: Address) -> InclusionProof:
        """Raises VerificationError when the batch does not hold the client."""
        index = self._index.get(client)
        if index is None:
            raise VerificationError(f"{to_hex(client)} is not in the batch", fault=Party.EDGE_SERVER)
        return InclusionProof(index, self._tree.proof(index))


def inclusion_proof_of(batch: CommitmentBatch, client: Address) -> InclusionProof:
    """The inclusion proof for ``client``. Raises VerificationError when the batch does not hold it."""
    return BatchProofs(batch).of(client)


def batch_leaf_of(batch: CommitmentBatch, client: Address) -> BatchLeaf:
    """The leaf of ``client``. Raises VerificationError when the batch does not hold it."""
    inclusion = inclusion_proof_of(batch, client)
    return BatchLeaf(inclusion.index, batch.commitments[inclusion.index], inclusion.proof)


def verify_inclusion(root: Digest, signed: SignedCommitment, inclusion: InclusionProof) -> None:
    """Raises VerificationError unless ``signed`` stands under the batch root recorded on chain."""
    node = commitment_leaf(inclusion.index, struct_hash(signed.commitment), signed.signature)
    try:
        merkle.verify(root, node, inclusion.proof)
    except VerificationError as error:
        raise VerificationError(f"inclusion proof: {error.args[0]}", fault=Party.EDGE_SERVER) from error


def receipt_of(commitment: Commitment) -> Receipt:
    """What an edge server signs when it takes a commitment: that it will be in the batch."""
    return Receipt(commitment.task, commitment.round, commitment.label, struct_hash(commitment))


def committed_set(batch: CommitmentBatch, directs: Iterable[SignedCommitment]) -> dict[Address, SignedCommitment]:
    """The round's commitments by client, ascending. A direct one wins: its client chose to send it itself."""
    chosen = {signed.commitment.client: signed for signed in batch.commitments}
    chosen.update({signed.commitment.client: signed for signed in directs})
    return dict(sorted(chosen.items()))
