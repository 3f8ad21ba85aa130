"""Which events a follower of one client reads: those of the whole task and those about that client, nobody else's.

So what it reads does not grow with the number of clients. Rosters are about everybody, and left out as well.
"""

from __future__ import annotations

from typing import Final

from protocol.identifiers import Address
from protocol.messages.chain import (
    BatchCommitted,
    BondForfeited,
    BondPlaced,
    BondReturned,
    Claimed,
    CohortDrawn,
    Compensated,
    Credited,
    DirectCommitted,
    DrawLapsed,
    Enrolled,
    EnrolmentFull,
    Event,
    KeyRequested,
    Left,
    Refunded,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    ScreeningRequested,
    StakeReturned,
    TakenOver,
    TaskPosted,
    VoucherShown,
    Withdrawn,
)

# by the member that says whom it is about: the second indexed one of the contract's event, which is zero in all others
ABOUT_ONE: Final[dict[type[Event], str]] = {
    Enrolled: "client",
    VoucherShown: "client",
    Left: "client",
    DirectCommitted: "client",
    Compensated: "client",
    Claimed: "client",
    StakeReturned: "client",
    Credited: "holder",
    Withdrawn: "holder",
    BondPlaced: "holder",
    BondReturned: "holder",
    Refunded: "manufacturer",
}
OF_THE_TASK: Final[frozenset[type[Event]]] = frozenset((
    TaskPosted, EnrolmentFull, CohortDrawn, DrawLapsed, RoundOpened, BatchCommitted, ScreeningRequested, KeyRequested,
    RoundPublished, RoundAbandoned, RoundExpired, RoundFrozen, TakenOver, BondForfeited,
))  # fmt: skip
NO_CLIENT: Final[Address] = bytes(20)  # whoever follows it reads what is of the whole task, and nothing else


def concerns(event: Event, client: Address) -> bool:
    """Whether a follower of ``client`` alone reads it."""
    member = ABOUT_ONE.get(type(event))
    return type(event) in OF_THE_TASK if member is None else getattr(event, member) == client
