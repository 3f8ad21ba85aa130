"""The plan of a round: public, fixed before anyone encrypts; its hash is the encryption label."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

from protocol.canonical import encode
from protocol.identifiers import Address, Count, Digest, Label, Range, Seconds, Signature, Word
from protocol.messages.learning import LearningTerms, ShortText

MAX_PLAN_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClientWeight:
    client: Address
    weight: Annotated[int, Range(1, 255)]


@dataclass(frozen=True, slots=True)
class CohortNode:
    """Of the sum tree over a cohort: its hash, and the totals of what is below it (``protocol.cohort``)."""

    node: Digest
    totals: Word


@dataclass(frozen=True, slots=True)
class CohortPlace:
    """Where a planned client stands in the tree, and with which weight; ``siblings`` from the bottom up."""

    index: Count
    weight: Annotated[int, Range(1, 2**40 - 1)]  # so that no sum over 10,000 runs over
    siblings: Annotated[tuple[CohortNode, ...], Range(0, 32)]


@dataclass(frozen=True, slots=True)
class CohortSum:
    """What the sum tree over a cohort adds up, of the weights but for ``count``."""

    root: Digest
    count: Count
    total: Annotated[int, Range(1, 2**64 - 1)]
    squares: Annotated[int, Range(1, 2**96 - 1)]
    largest: Annotated[int, Range(1, 2**64 - 1)]


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """The RoundDescriptor of ``encryption.md`` 3.6. No instant and no arrival order is in it."""

    suite: ShortText
    chain_id: Word
    ledger: Address
    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    spec: Digest
    committee: Digest  # digest of the canonical Committee
    key_epoch: Count
    previous_label: Label  # zero in round 1
    model: Digest  # parameters that the round starts from
    dimension: Annotated[int, Range(1, 2**32 - 1)]  # of the index set, which follows from spec and round
    learning: LearningTerms
    min_clients: Count
    max_clients: Count
    max_share_ppm: Count
    weights: Annotated[tuple[ClientWeight, ...], Range(1, 10_000)]  # ascending by address
    cohort: CohortSum  # of ``weights``; its root is on chain
    commit_seconds: Seconds
    settle_seconds: Seconds

    def label(self) -> Label:
        return hashlib.sha256(b"HEARTH/label/3" + encode(self)).digest()

    def weight_of(self, client: Address) -> int | None:
        return next((entry.weight for entry in self.weights if entry.client == client), None)


@dataclass(frozen=True, slots=True)
class RoundStatement:
    """EIP-712: an edge server's word on a round's plan and, once it is known, its model (zero before)."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    label: Label
    model: Digest


@dataclass(frozen=True, slots=True)
class SignedRoundStatement:
    statement: RoundStatement
    signature: Signature
