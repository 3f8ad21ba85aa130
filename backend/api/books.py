"""What events say of a task's money: bonds, stakes, credits, what is still to be paid, what could be refunded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from protocol.audit.forfeits import owed_together
from protocol.identifiers import Address
from protocol.messages.chain import (
    BondForfeited,
    BondPlaced,
    BondReturned,
    Enrolled,
    Event,
    StakeReturned,
    TaskPosted,
)
from protocol.task.ending import is_over
from protocol.task.state import TaskState


@dataclass(frozen=True, slots=True)
class Balance:
    """Of the escrow, in smallest units. ``refundable``: what `refund` would pay now; 0 before the task is over."""

    forfeited: int  # what lost bonds brought into it
    claimed: int
    compensated: int
    refunded: int
    held: int
    reserved: int  # what rounds that were not published still owe
    unclaimed: int  # of the standing allocation
    refundable: int


def bonds_of(events: Iterable[Event]) -> Mapping[Address, int]:
    """What the ledger holds of each holder."""
    held: defaultdict[Address, int] = defaultdict(int)
    for event in events:
        match event:
            case BondPlaced(holder=holder, amount=amount):
                held[holder] += amount
            case BondReturned(holder=holder, amount=amount) | BondForfeited(holder=holder, amount=amount):
                held[holder] -= amount
    return held


def stakes_of(posted: TaskPosted, events: Iterable[Event]) -> int:
    """That the ledger holds of clients, together."""
    held = 0
    for event in events:
        match event:
            case Enrolled():
                held += posted.terms.stake
            case StakeReturned(amount=amount):
                held -= amount
    return held


def balance_of(posted: TaskPosted, state: TaskState, events: Iterable[Event], now: int) -> Balance:
    """At ``now``, in seconds of block time."""
    forfeited = sum(event.amount - event.share for event in events if isinstance(event, BondForfeited))
    claimed = sum(event.cumulative for event in state.claims.values())
    compensated = sum(event.amount for event in state.compensated.values())
    owing = sum(owed_together(state, facts.number) for facts in state.rounds if facts.compensates)
    last = state.last_settled()
    allocated = last.settled.allocated if last is not None and last.settled is not None else 0
    held = posted.escrow + forfeited - claimed - compensated - state.refunded
    unclaimed, reserved = max(0, allocated - claimed), max(0, owing - compensated)
    over = state.current is None and is_over(state, now)
    kept = 0 if now > posted.claim_until else unclaimed + reserved
    return Balance(
        forfeited, claimed, compensated, state.refunded, held, reserved, unclaimed, max(0, held - kept) if over else 0
    )
