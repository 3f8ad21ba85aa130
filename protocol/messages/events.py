"""What every event of the ledger has, the events that say where money went, vouchers and screening."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.identifiers import Address, Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Where it stands; the three fields order events and date them, they claim nothing else."""

    block: int
    log_index: int
    transaction: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherShown(Event):
    """Of the client that enrols with the next event."""

    task: int
    client: Address
    voucher: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningRequested(Event):
    """Nobody commits any more: the hash of block ``beacon_block`` draws the round's sketch."""

    task: int
    round: int
    beacon_block: int
    beacon: Digest
    request: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    task: int
    client: Address
    amount: int
    cumulative: int
    reputation: int
    freed: bool  # it was this client's last leaf of the task that it worked for


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFrozen(Event):
    """Its tree is void: whoever committed in it is compensated."""

    task: int
    round: int
    culprit: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensated(Event):
    """What a client gets for its commitment in a round that was not published."""

    task: int
    client: Address
    round: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded(Event):
    task: int
    manufacturer: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeReturned(Event):
    task: int
    client: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BondPlaced(Event):
    task: int
    holder: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BondReturned(Event):
    task: int
    holder: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BondForfeited(Event):
    task: int
    holder: Address
    reporter: Address  # zero: nobody, the server left a round alone
    amount: int
    share: int  # of it, the reporter's credit; the rest went into the escrow


@dataclass(frozen=True, slots=True, kw_only=True)
class Credited(Event):
    """A payment that its payee did not take, or a reporter's share: the ledger owes it until it is withdrawn."""

    task: int
    holder: Address
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Event):
    task: int
    holder: Address
    to: Address
    amount: int
