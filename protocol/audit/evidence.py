"""What an auditor is given: the chain's claims as read from one RPC endpoint, and a way to fetch content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Address, Digest
from protocol.messages.chain import BondView, EnrolmentView, Event, ReputationRules, RoundView, Standing, TaskView


class Absence(Enum):
    """Why a fetch gave no bytes: not there (nothing follows), or there and not what the digest names."""

    MISSING = "missing"
    CORRUPT = "corrupt"


# fetch(digest, max_bytes, chunk_bytes or None for the usual chunks) -> verified bytes, or why not
Fetch = Callable[[Digest, int, int | None], bytes | Absence]


class MissingEvidenceError(HearthError):
    """A check cannot be evaluated: its line is UNKNOWN."""

    code = "E_MISSING_EVIDENCE"


@dataclass(frozen=True, slots=True)
class ChainEvidence:
    """One task's events and views as the endpoint gave them; ``events`` are those of the whole ledger, in order."""

    domain: Domain
    task: int
    codes: tuple[bytes, bytes]  # of the ledger and of its judge
    judge: Address
    balance: int  # of the ledger, in this task's token
    task_count: int
    held: Mapping[int, int]  # escrow and deposits of every posted task of the ledger in the same token
    events: tuple[Event, ...]
    timestamps: Mapping[int, int]  # by block number, for every block with an event
    task_view: TaskView
    rounds: Mapping[int, RoundView]  # 1 .. last_round
    enrolments: Mapping[Address, EnrolmentView]
    directs: Mapping[tuple[int, Address], bool]
    standings: Mapping[Address, Standing]
    bonds: Mapping[Address, BondView]  # of every edge server and authority that the terms list
    rules: ReputationRules
