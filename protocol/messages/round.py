"""The plan of a round: public, fixed before anyone encrypts; its hash is the encryption label."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Annotated

from protocol.canonical import encode
from protocol.identifiers import Address, Count, Digest, Label, Range, Seconds, Signature, Word
from protocol.messages.learning import LearningTerms, ShortText

MAX_PLAN_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClientWeight:
    client: Address
    weight: Annotated[int, Range(0, 255)]  # 0 in screened tasks alone: it sends, and is not in the sum


@dataclass(frozen=True, slots=True)
class CohortNode:
    """Of the sum tree over a cohort: its hash, and the totals of what is below it (``protocol.cohort``)."""

    node: Digest
    totals: Word


@dataclass(frozen=True, slots=True)
class CohortPlace:
    """Where a planned client stands in the tree, and with which weight; ``siblings`` from the bottom up."""

    index: Count
    weight: Annotated[int, Range(0, 2**40 - 1)]  # so that no sum over 10,000 runs over
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
class PlannedClient:
    """Whose place in the tree it is."""

    client: Address
    place: CohortPlace


@dataclass(frozen=True, slots=True)
class PlanHead:
    """The RoundDescriptor of ``encryption.md`` 3.6, without the list of clients, which ``cohort`` binds: all that a
    phone needs to know of a plan, in a size that does not grow with the cohort. No instant and no arrival order is in
    it."""

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
    cohort: CohortSum  # of whom is planned, with which weights; its root is on chain
    commit_seconds: Seconds
    settle_seconds: Seconds

    def head(self) -> PlanHead:
        return PlanHead(**{member.name: getattr(self, member.name) for member in fields(PlanHead)})

    def label(self) -> Label:
        return hashlib.sha256(b"HEARTH/label/4" + encode(self.head())).digest()


@dataclass(frozen=True, slots=True)
class RoundPlan(PlanHead):
    """As it is in content: with everybody who is planned. The label is that of its head."""

    weights: Annotated[tuple[ClientWeight, ...], Range(1, 10_000)]  # ascending by address

    def weight_of(self, client: Address) -> int | None:
        return next((entry.weight for entry in self.weights if entry.client == client), None)


@dataclass(frozen=True, slots=True)
class EndorsementStatement:
    """EIP-712 ``Endorsement``, signed by an authority: the plan of this label has the cohort that follows from
    its chain and from all documents that count, and no other."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    label: Label
    authority: Address


@dataclass(frozen=True, slots=True)
class SignedEndorsement:
    statement: EndorsementStatement
    signature: Signature


@dataclass(frozen=True, slots=True)
class CohortEvidence:
    """What an authority is shown to sign a EndorsementStatement: the plan, and the documents of earlier rounds that its
    cohort follows from, as they are in content."""

    plan: Annotated[bytes, Range(1, MAX_PLAN_BYTES)]
    documents: Annotated[tuple[bytes, ...], Range(0, 256)]


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """What a phone is shown of a round in which it may be planned.

    ``places``: its own; or, of a phone that is not planned, those of its neighbours in the order of addresses.
    """

    plan: PlanHead
    places: Annotated[tuple[PlannedClient, ...], Range(1, 2)]
    endorsements: Annotated[tuple[SignedEndorsement, ...], Range(0, 16)]  # ascending by position in the committee


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
