"""What a round that is not published owes to those who committed in it, and what its server loses for that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.audit.report import require, same
from protocol.identifiers import Address
from protocol.messages.chain import BondForfeited, Event, RoundExpired, RoundFrozen
from protocol.task.state import TaskState

NOBODY: Address = bytes(20)


@dataclass(frozen=True, slots=True)
class Forfeit:
    """What must follow at once on a round's end; ``owed``: to those who committed in it.

    A server that is convicted loses its whole bond, one that left its round alone no more than ``owed``.
    """

    round: int
    holder: Address
    owed: int
    convicted: bool


def owed_together(state: TaskState, number: int) -> int:
    """To those who committed, in smallest units. A batch counts as the whole cohort."""
    facts = state.round(number)
    if facts is None or state.posted is None:
        return 0
    committed = len(facts.directs) if facts.batched is None else facts.opened.cohort
    return committed * facts.compensation(state.posted.terms)


def forfeit_after(state: TaskState, event: Event) -> Forfeit | None:
    """``state``: the one right before the event."""
    match event:
        case RoundFrozen(round=number, culprit=culprit):
            return Forfeit(number, culprit, owed_together(state, number), True)
        case RoundExpired(round=number):
            facts, owed, acting = state.round(number), owed_together(state, number), state.acting
            left_alone = facts is not None and facts.requested is None and owed > 0
            if left_alone and acting is not None and acting not in state.dismissed:
                return Forfeit(number, acting, owed, False)
    return None


def check_forfeit(
    event: BondForfeited, held: int, due: Forfeit | None, what: str, amount: Callable[[int], object]
) -> None:
    """``held``: what was left of the bond. Raises VerificationError."""
    if due is not None and not due.convicted:
        same(what, amount(event.amount), amount(min(held, due.owed)))
        same(f"{what}, the reporter's share", amount(event.share), amount(0))
        same(f"{what}, the reporter", event.reporter, NOBODY)
        return
    owed = due.owed if due else 0
    same(what, amount(event.amount), amount(held))
    same(f"{what}, the reporter's share", amount(event.share), amount(max(0, held - owed) // 2))
    require(event.reporter != NOBODY, f"{what}: to nobody")
