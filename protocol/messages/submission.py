"""What a client sends: its enrolment, its commitment to a ciphertext, its leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from protocol.identifiers import Address, Digest, Label, Nonce, Range, Signature, Word
from protocol.messages.vouchers import Voucher

MAX_BATCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Enrolment:
    """EIP-712 ``Enrolment``: what a wallet shows. ``envelope`` is the content digest of the client's KeyEnvelope.

    ``signer`` is the plain key that signs leave and commitments; the ledger refuses it after ``deadline``.
    """

    task: Word
    spec: Digest
    client: Address
    signer: Address
    envelope: Digest
    stake: Annotated[int, Range(0, 2**128 - 1)]  # smallest units of the task's token
    locked_until: Annotated[int, Range(0, 2**48 - 1)]  # at the latest: the end of the task's claim period
    deadline: Annotated[int, Range(0, 2**48 - 1)]


@dataclass(frozen=True, slots=True)
class Leave:
    """EIP-712 ``Leave``: no later round may plan this client."""

    task: Word
    client: Address


@dataclass(frozen=True, slots=True)
class Commitment:
    """EIP-712 ``Commitment``: the client's signature over its ciphertext (``encryption.md`` 3.6)."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    client: Address
    label: Label
    nonce: Nonce
    ciphertext: Digest  # digest of the body's CID


@dataclass(frozen=True, slots=True)
class SignedEnrolment:
    """``voucher``: where the task needs one; the ledger takes it beside the signature."""

    enrolment: Enrolment
    signature: Signature
    voucher: Voucher = b""


@dataclass(frozen=True, slots=True)
class SignedLeave:
    leave: Leave
    signature: Signature


@dataclass(frozen=True, slots=True)
class SignedCommitment:
    commitment: Commitment
    signature: Signature


@dataclass(frozen=True, slots=True)
class BatchLeaf:
    """A commitment of a round's batch, and what leads from it to the root on chain."""

    index: Annotated[int, Range(0, 2**32 - 1)]
    signed: SignedCommitment
    proof: Annotated[tuple[Digest, ...], Range(0, 32)]


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed commitment as it travels to the edge server: task, round and label are known there."""

    client: Address
    nonce: Nonce
    ciphertext: Digest
    signature: Signature


@dataclass(frozen=True, slots=True)
class CommitmentBatch:
    """What the edge server relays under one Merkle root, ascending by client."""

    commitments: Annotated[tuple[SignedCommitment, ...], Range(0, 10_000)]


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Inclusion proof of one commitment in its round's batch."""

    index: Annotated[int, Range(0, 2**32 - 1)]
    proof: Annotated[tuple[Digest, ...], Range(0, 32)]


@dataclass(frozen=True, slots=True)
class Receipt:
    """EIP-712 ``Receipt``, signed by the edge server: this commitment will be in the round's batch."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    label: Label
    commitment: Digest  # EIP-712 struct hash of the Commitment


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """What an edge server answers to a submission; the client knows the statement that it signs."""

    server: Address
    signature: Signature
