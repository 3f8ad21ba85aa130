"""What the ledger contract shows: its views and its events, one frozen type each, fields in Solidity's order.

Events and views are untrusted claims of an RPC endpoint to the auditor and facts of consensus to everyone else.
Amounts are wei, instants are seconds of block time, digests are 32 raw bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocol.identifiers import Address, Digest, Label, Nonce, Signature
from protocol.round_state import RoundState


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """What the contract itself enforces of a TaskSpec; same order as ``IHearthLedger.TaskTerms``."""

    spec: Digest
    edge_server: Address
    authorities: tuple[Address, ...]
    threshold: int
    initial_reputation: int
    rounds: int
    min_clients: int
    max_clients: int
    enrolment_seconds: int
    commit_seconds: int
    settle_seconds: int
    task_seconds: int
    claim_seconds: int
    update_reward: int


@dataclass(frozen=True, slots=True)
class TaskView:
    spec: Digest
    manufacturer: Address
    edge_server: Address
    rounds: int
    min_clients: int
    max_clients: int
    enrolled: int
    last_round: int
    enrol_until: int
    task_until: int
    claim_until: int
    update_reward: int
    escrow: int
    allocated: int
    claimed: int
    allocation_root: Digest


@dataclass(frozen=True, slots=True)
class RoundView:
    state: RoundState
    label: Label
    batch_root: Digest
    request: Digest
    cohort: int
    batched: int
    direct: int
    commit_until: int
    settle_until: int


@dataclass(frozen=True, slots=True)
class EnrolmentView:
    envelope: Digest  # zero when never enrolled
    reputation: int
    left: bool


@dataclass(frozen=True, slots=True)
class Publication:
    model: Digest
    record: Digest
    allocation_root: Digest
    allocated: int
    correct: int
    examples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Where it stands; the three fields order events and date them, they claim nothing else."""

    block: int
    log_index: int
    transaction: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPosted(Event):
    task: int
    manufacturer: Address
    terms: TaskTerms
    escrow: int
    enrol_until: int
    task_until: int
    claim_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled(Event):
    task: int
    client: Address
    envelope: Digest
    reputation: int
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    task: int
    client: Address
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOpened(Event):
    task: int
    round: int
    plan: Digest
    label: Label
    cohort: int
    commit_until: int
    settle_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCommitted(Event):
    task: int
    round: int
    root: Digest
    batch: Digest
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectCommitted(Event):
    task: int
    round: int
    client: Address
    label: Label
    nonce: Nonce
    ciphertext: Digest
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequested(Event):
    task: int
    round: int
    request: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPublished(Event):
    task: int
    round: int
    model: Digest
    record: Digest
    allocation_root: Digest
    allocated: int
    correct: int
    examples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundAbandoned(Event):
    task: int
    round: int
    record: Digest
    allocation_root: Digest
    allocated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundExpired(Event):
    task: int
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    task: int
    client: Address
    amount: int
    cumulative: int
    reputation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded(Event):
    task: int
    manufacturer: Address
    amount: int
