"""From signed commitments to the committed set of a round: signatures, batch tree, inclusion proofs, precedence."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from protocol import merkle
from protocol.domain import Domain, commitment_leaf
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.round import RoundPlan
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


def domain_of(plan: RoundPlan) -> Domain:
    return Domain(plan.chain_id, plan.ledger)


def commitment_of(plan: RoundPlan, submission: Submission) -> SignedCommitment:
    """The commitment that a submission stands for under this plan; not yet verified."""
    commitment = Commitment(
        plan.task, plan.round, submission.client, plan.label(), submission.nonce, submission.ciphertext
    )
    return SignedCommitment(commitment, submission.signature)


def verify_commitment(plan: RoundPlan, signed: SignedCommitment, signer_of: SignerOf) -> None:
    """Raises VerificationError unless a planned client's signer signed this for this very round."""
    _verify_commitments(plan, [signed], signer_of)


def _verify_commitments(plan: RoundPlan, commitments: Iterable[SignedCommitment], signer_of: SignerOf) -> None:
    here, planned = (plan.task, plan.round, plan.label()), {entry.client for entry in plan.weights}
    for signed in commitments:
        commitment = signed.commitment
        if (commitment.task, commitment.round, commitment.label) != here:
            raise VerificationError("the commitment is for another task, round or label", fault=Party.CLIENT)
        if commitment.client not in planned:
            raise VerificationError(f"{to_hex(commitment.client)} is not in the cohort", fault=Party.CLIENT)
        verify(domain_of(plan), commitment, signed.signature, signer_of(commitment.client), Party.CLIENT)


def batch_of(commitments: Iterable[SignedCommitment]) -> CommitmentBatch:
    return CommitmentBatch(tuple(sorted(commitments, key=lambda signed: signed.commitment.client)))


def verify_batch(plan: RoundPlan, batch: CommitmentBatch, signer_of: SignerOf) -> None:
    """Every commitment valid, clients strictly ascending (so nobody twice)."""
    clients = [signed.commitment.client for signed in batch.commitments]
    if clients != sorted(set(clients)):
        raise VerificationError("batch not strictly ascending by client", fault=Party.EDGE_SERVER)
    _verify_commitments(plan, batch.commitments, signer_of)


def batch_leaves(batch: CommitmentBatch) -> list[Digest]:
    return [
        commitment_leaf(index, struct_hash(signed.commitment), signed.signature)
        for index, signed in enumerate(batch.commitments)
    ]


def batch_root(batch: CommitmentBatch) -> Digest:
    return merkle.root(batch_leaves(batch))


def inclusion_proof_of(batch: CommitmentBatch, client: Address) -> InclusionProof:
    """The inclusion proof for ``client``. Raises VerificationError when the batch does not hold it."""
    for index, signed in enumerate(batch.commitments):
        if signed.commitment.client == client:
            return InclusionProof(index, merkle.proof(batch_leaves(batch), index))
    raise VerificationError(f"{to_hex(client)} is not in the batch", fault=Party.EDGE_SERVER)


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
