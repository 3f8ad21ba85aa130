"""What the ledger contract shows, one frozen type each, fields in Solidity's order; to the auditor untrusted claims.

Amounts are smallest units of the task's coin or token, instants are seconds of block time, digests are 32 raw bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.identifiers import ZERO_DIGEST, Address, Digest, Label, Nonce, Signature
from protocol.messages.events import BondForfeited as BondForfeited
from protocol.messages.events import BondPlaced as BondPlaced
from protocol.messages.events import BondReturned as BondReturned
from protocol.messages.events import Claimed as Claimed
from protocol.messages.events import Compensated as Compensated
from protocol.messages.events import Credited as Credited
from protocol.messages.events import Event as Event
from protocol.messages.events import Refunded as Refunded
from protocol.messages.events import RoundFrozen as RoundFrozen
from protocol.messages.events import ScreeningRequested as ScreeningRequested
from protocol.messages.events import StakeReturned as StakeReturned
from protocol.messages.events import VoucherShown as VoucherShown
from protocol.messages.events import Withdrawn as Withdrawn
from protocol.round.state_table import RoundState


@dataclass(frozen=True, slots=True)
class TaskTerms:
    """What the contract itself enforces of a TaskSpec; same order as ``IHearthLedger.TaskTerms``."""

    spec: Digest
    edge_servers: tuple[Address, ...]  # the first acts until a substitute takes over
    authorities: tuple[Address, ...]
    threshold: int
    initial_reputation: int
    rounds: int
    min_clients: int
    max_clients: int
    enrolment_seconds: int
    commit_seconds: int
    training_seconds: int  # no batch before twice as long after a round's opening
    objection_seconds: int  # from a batch until a key can be requested; none in the last ones before commit_until
    settle_seconds: int
    task_seconds: int
    claim_seconds: int
    dispute_seconds: int
    takeover_seconds: int
    min_reputation: int
    reputation_sources: tuple[Address, ...]  # manufacturers; none: any
    token: Address  # zero: the chain's own coin
    participation: int
    contribution: int
    edge_fee: int  # of a published round
    authority_fee: int  # likewise, of each authority
    edge_bond: int
    authority_bond: int
    stake: int
    max_cohort: int  # most clients of a round; below max_clients they are drawn
    roster_rounds: int
    roster_seconds: int
    voucher_key: Digest = ZERO_DIGEST  # Keccak-256 of the modulus; zero: no voucher is needed


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """Of a deployment."""

    maximum: int
    floor: int
    waiting_seconds: int  # in each a settled reputation below the floor gains one
    claim_seconds: int  # that every task gives its clients to claim, at least


DEFAULT_RULES: Final = LedgerRules(maximum=5, floor=2, waiting_seconds=30 * 24 * 3600, claim_seconds=24 * 3600)


@dataclass(frozen=True, slots=True)
class TaskView:
    """``allocated`` and ``allocation_root`` stand; those of ``pending_round`` replace them from ``payable_from`` on."""

    spec: Digest
    token: Address
    pending_round: int  # 0 when none was settled yet
    payable_from: int
    pending_server: int  # place in the task's list of the edge server that settled it
    manufacturer: Address
    rounds: int
    min_clients: int
    max_clients: int
    enrolled: int
    last_round: int
    enrol_until: int
    task_until: int
    claim_until: int
    max_cohort: int
    stopped: bool  # too few servers or authorities are left
    escrow: int
    claimed: int
    allocated: int
    pending_allocated: int
    allocation_root: Digest
    pending_root: Digest
    participation: int
    contribution: int
    deposits: int  # bonds, stakes and credits that the ledger holds besides the escrow
    reserved: int  # of the escrow: what rounds that were not published still owe
    edge_server: Address  # the acting one
    drawn_at: int  # block whose hash draws the next cohort; 0 for none
    word: Digest  # of all its events: protocol.task.word

    def payable(self, now: int) -> tuple[Digest, int]:
        """Root that claims are paid from at ``now``, and the cumulative amount that the contract vouches for."""
        settled = self.pending_root, self.pending_allocated
        return settled if self.pending_round and now >= self.payable_from else (self.allocation_root, self.allocated)


@dataclass(frozen=True, slots=True)
class RoundView:
    label: Label
    cohort_root: Digest
    batch_root: Digest
    request: Digest
    state: RoundState
    cohort: int
    batched: int
    direct: int
    commit_until: int
    settle_until: int
    server: int  # place in the task's list of the edge server that opened it
    object_until: int  # whoever its batch leaves out commits directly until then; 0 without a batch
    screening: Digest  # the request that authorities open sketches for; zero while there is none


@dataclass(frozen=True, slots=True)
class EnrolmentView:
    envelope: Digest  # zero when never enrolled
    claimed: int
    left_round: int
    reputation: int  # at its enrolment
    left: bool
    staked: bool


@dataclass(frozen=True, slots=True)
class BondView:
    role: int  # 0 none, 1 edge server, 2 authority
    index: int  # place in the terms' list
    placed: bool
    amount: int
    rosters: int  # one more than the last window for which an authority posted


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger knows of an address across tasks; ``task`` holds it until its last leaf there is applied."""

    reputation: int
    since: int  # the next waiting period runs from then
    task: int
    source: int  # the task that gave the reputation; 0: none did yet


@dataclass(frozen=True, slots=True)
class Publication:
    model: Digest
    record: Digest
    allocation_root: Digest
    allocated: int
    correct: int
    examples: int


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
    signer: Address  # the key that signs for the client in this task
    deadline: int
    signature: bytes  # a contract's own word may have any length (ERC-1271)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentFull(Event):
    """Nobody is waited for any more: ``enrol_until`` of the task is this one from now on."""

    task: int
    enrolled: int
    enrol_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortDrawn(Event):
    """The hash of block ``drawn_at`` draws the cohort of ``round``."""

    task: int
    round: int
    drawn_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawLapsed(Event):
    """``round`` was not opened in time after its draw: the task has one round less, and ``round`` is drawn anew."""

    task: int
    round: int


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
    cohort_root: Digest
    cohort: int
    beacon: Digest  # hash of the block that drew the cohort; zero where all are planned
    commit_until: int
    settle_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCommitted(Event):
    task: int
    round: int
    root: Digest
    batch: Digest
    count: int
    object_until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectCommitted(Event):
    task: int
    client: Address
    round: int
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
class TakenOver(Event):
    task: int
    edge_server: Address
