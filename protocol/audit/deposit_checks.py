"""Part of check 23: bonds and stakes, each brought whole, once, and given back or lost once; and what is owed still."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from protocol.audit.case import Case, known
from protocol.audit.report import require, same
from protocol.errors import VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.chain import (
    BondForfeited,
    BondPlaced,
    BondReturned,
    BondView,
    Claimed,
    Credited,
    Event,
    Refunded,
    RoundFrozen,
    StakeReturned,
    TaskTerms,
    Withdrawn,
)
from protocol.messages.rosters import RosterPosted

EDGE_SERVER, AUTHORITY = 1, 2  # roles, as the ledger numbers them


def check_deposits(case: Case) -> int:
    """What the ledger must hold as deposits of this task, in smallest units. Raises VerificationError."""
    terms = known(case.state.posted, "TaskPosted").terms
    bonds = _bonds(case, terms)
    for holder, bond in bonds.items():
        same(f"bond of {to_hex(holder)} in the view", case.evidence.bonds.get(holder), bond)
    staked = set(case.state.enrolled) if terms.stake else set()
    for event in case.of_task(StakeReturned):
        require(event.client in staked, f"{to_hex(event.client)} got a stake back that it did not have")
        same(f"stake of {to_hex(event.client)}", event.amount, terms.stake)
        staked.remove(event.client)
    return sum(bond.amount for bond in bonds.values()) + terms.stake * len(staked) + sum(_credits(case).values())


def _bonds(case: Case, terms: TaskTerms) -> dict[Address, BondView]:
    """Of everybody that the terms list, as the events leave it."""
    bonds = {holder: BondView(EDGE_SERVER, place, False, 0, 0) for place, holder in enumerate(terms.edge_servers)}
    bonds |= {holder: BondView(AUTHORITY, place, False, 0, 0) for place, holder in enumerate(terms.authorities)}
    convicted = [event.culprit for event in case.of_task(RoundFrozen)]
    same("culprits that lost their bonds", [event.holder for event in case.of_task(BondForfeited)], convicted)
    for event in case.of_task(Event):
        if isinstance(event, RosterPosted) and event.authority in bonds:
            bonds[event.authority] = replace(bonds[event.authority], rosters=event.window + 1)
        if not isinstance(event, BondPlaced | BondReturned | BondForfeited):
            continue
        bond = bonds.get(event.holder)
        if bond is None or bond.role == 0:
            raise VerificationError(f"a bond of {to_hex(event.holder)}, who has no role in the task")
        what = f"{type(event).__name__} of {to_hex(event.holder)}"
        if isinstance(event, BondPlaced):
            require(not bond.placed, f"{what}: for the second time")
            same(what, event.amount, terms.edge_bond if bond.role == EDGE_SERVER else terms.authority_bond)
            bonds[event.holder] = replace(bond, placed=True, amount=event.amount)
            continue
        same(what, event.amount, bond.amount)
        bonds[event.holder] = replace(bond, amount=0, role=bond.role if isinstance(event, BondReturned) else 0)
    return bonds


def _credits(case: Case) -> dict[Address, int]:
    """What is still owed, by holder. Only what was due in the same transaction is owed instead of paid."""
    due, owed = Counter[tuple[Digest, Address]](), Counter[Address]()
    for event in case.of_task(Event):
        match event:
            case Claimed(client=payee) | StakeReturned(client=payee):
                due[event.transaction, payee] += event.amount
            case BondReturned(holder=payee) | Refunded(manufacturer=payee):
                due[event.transaction, payee] += event.amount
            case BondForfeited():
                due[event.transaction, event.reporter] += event.amount // 2
            case Credited():
                what = f"credit of {to_hex(event.holder)} in block {event.block}"
                require(event.amount <= due[event.transaction, event.holder], f"{what}: was not due")
                due[event.transaction, event.holder] -= event.amount
                owed[event.holder] += event.amount
            case Withdrawn():
                same(f"withdrawal of {to_hex(event.holder)}", event.amount, owed.pop(event.holder, 0))
    for holder, amount in case.evidence.credits.items():
        same(f"credit of {to_hex(holder)} in the view", amount, owed[holder])
    return owed
