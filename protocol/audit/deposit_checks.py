"""Part of check 23: bonds and stakes, each brought whole, once, and given back or lost once; and what is owed still."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from protocol.audit.case import Case, known
from protocol.audit.evidence import Replay
from protocol.audit.forfeits import Forfeit, check_forfeit, forfeit_after
from protocol.audit.report import require, same
from protocol.errors import VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.messages.chain import (
    BondForfeited,
    BondPlaced,
    BondReturned,
    BondView,
    Claimed,
    Compensated,
    Credited,
    Event,
    Refunded,
    RoundExpired,
    RoundFrozen,
    StakeReturned,
    TaskTerms,
    Withdrawn,
)
from protocol.messages.rosters import RosterPosted
from protocol.text import in_words

NO_ROLE, EDGE_SERVER, AUTHORITY = 0, 1, 2  # as the ledger numbers them


def check_deposits(case: Case) -> int:
    """What the ledger must hold as deposits of this task, in smallest units. Raises VerificationError."""
    terms = known(case.state.posted, "the posting of the task").terms
    bonds = _bonds(case, terms)
    for holder, bond in bonds.items():
        _check_view(case, holder, bond)
    staked = set(case.state.enrolled) if terms.stake else set()
    for event in case.of_task(StakeReturned):
        require(event.client in staked, f"{to_hex(event.client)} got a stake back that it did not have")
        same(f"stake of {to_hex(event.client)}", case.amount(event.amount), case.amount(terms.stake))
        staked.remove(event.client)
    owed = sum(_credits(case, terms.stake).values())
    return sum(bond.amount for bond in bonds.values()) + terms.stake * len(staked) + owed


def _check_view(case: Case, holder: Address, bond: BondView) -> None:
    what, view = f"bond of {to_hex(holder)} in the view", case.evidence.bonds.get(holder)
    if view is not None:
        same(f"{what}, amount", case.amount(view.amount), case.amount(bond.amount))
    same(what, view, bond)


def _bonds(case: Case, terms: TaskTerms) -> dict[Address, BondView]:
    """Of everybody that the terms list, as the events leave it."""
    bonds = {holder: BondView(EDGE_SERVER, place, False, 0, 0) for place, holder in enumerate(terms.edge_servers)}
    bonds |= {holder: BondView(AUTHORITY, place, False, 0, 0) for place, holder in enumerate(terms.authorities)}
    replay, due = Replay(case.evidence), None
    for event in replay.own():
        _check_due(due, event)
        if isinstance(event, RosterPosted) and event.authority in bonds:
            bonds[event.authority] = replace(bonds[event.authority], rosters=event.window + 1)
        if isinstance(event, BondPlaced | BondReturned | BondForfeited):
            bonds[event.holder] = _moved(case, bonds.get(event.holder), event, due, terms)
        due = forfeit_after(replay.state, event) if isinstance(event, RoundExpired | RoundFrozen) else None
    _check_due(due, None)
    return bonds


def _check_due(due: Forfeit | None, event: Event | None) -> None:
    if due is not None and not (isinstance(event, BondForfeited) and event.holder == due.holder):
        raise VerificationError(f"{to_hex(due.holder)} kept the bond that it lost by round {due.round}")


def _moved(
    case: Case,
    bond: BondView | None,
    event: BondPlaced | BondReturned | BondForfeited,
    due: Forfeit | None,
    terms: TaskTerms,
) -> BondView:
    """Who lost its role in the task may get back what is left of its bond, and nothing else."""
    what = f"{in_words(type(event).__name__)}, of {to_hex(event.holder)}"
    if bond is None or (bond.role == NO_ROLE and not isinstance(event, BondReturned)):
        raise VerificationError(f"{what}, who has no role in the task")
    if isinstance(event, BondPlaced):
        require(not bond.placed, f"{what}: for the second time")
        asked = terms.edge_bond if bond.role == EDGE_SERVER else terms.authority_bond
        same(what, case.amount(event.amount), case.amount(asked))
        return replace(bond, placed=True, amount=event.amount)
    if isinstance(event, BondReturned):
        same(what, case.amount(event.amount), case.amount(bond.amount))
        require(event.amount > 0, f"{what}: of nothing")
        return replace(bond, amount=0)
    if due is None:
        require(bond.role == AUTHORITY, f"{what}: without a round that it broke")
    check_forfeit(event, bond.amount, due, what, case.amount)
    return replace(bond, amount=bond.amount - event.amount, role=NO_ROLE)


def _credits(case: Case, stake: int) -> dict[Address, int]:
    """What is still owed, by holder. Only what was due in the same transaction is owed instead of paid, or stakes that
    came with enrolments which the ledger skipped: of those it says nothing."""
    due, owed = Counter[tuple[Digest, Address]](), Counter[Address]()
    for event in case.of_task(Event):
        match event:
            case Claimed(client=payee) | StakeReturned(client=payee) | Compensated(client=payee):
                due[event.transaction, payee] += event.amount
            case BondReturned(holder=payee) | Refunded(manufacturer=payee):
                due[event.transaction, payee] += event.amount
            case BondForfeited():
                due[event.transaction, event.reporter] += event.share
            case Credited():
                what = f"credit of {to_hex(event.holder)} in block {event.block}"
                skipped = stake > 0 and event.amount % stake == 0
                was_due = event.amount <= due[event.transaction, event.holder]
                require(was_due or skipped, f"{what}: was not due")
                due[event.transaction, event.holder] -= event.amount if was_due else 0
                owed[event.holder] += event.amount
            case Withdrawn():
                due_then = case.amount(owed.pop(event.holder, 0))
                same(f"withdrawal of {to_hex(event.holder)}", case.amount(event.amount), due_then)
    for holder, amount in case.evidence.credits.items():
        same(f"credit of {to_hex(holder)} in the view", case.amount(amount), case.amount(owed[holder]))
    return owed
