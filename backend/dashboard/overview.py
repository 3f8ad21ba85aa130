"""What the page of one task makes of the API's answers: how far households come, their reputations, where money is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backend.dashboard.answers import AuthorityList, Client, Money, TaskDetails

MOST_BARS: Final = 10


@dataclass(frozen=True, slots=True)
class Step:
    """Of the funnel: households that have come at least so far."""

    name: str  # enrolled, planned, committed, accepted, paid
    count: int


@dataclass(frozen=True, slots=True)
class Bar:
    """Households whose reputation is in ``first`` to ``last``."""

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class Part:
    """Of a task's escrow: an amount in one state. ``left`` and ``width``: its place in a bar 1000 wide."""

    name: str  # claimed, unclaimed, disputable, compensated, refunded, free
    amount: int
    left: int
    width: int


def funnel(clients: Sequence[Client]) -> tuple[Step, ...]:
    """Each household counts once, however many rounds it was in."""
    return (
        Step("enrolled", len(clients)),
        Step("planned", sum(one.planned > 0 for one in clients)),
        Step("committed", sum(one.committed > 0 for one in clients)),
        Step("accepted", sum(one.accepted > 0 for one in clients)),
        Step("paid", sum(one.claimed + one.compensated > 0 for one in clients)),
    )


def spread(clients: Sequence[Client]) -> tuple[Bar, ...]:
    """Every reputation from the lowest to the highest, in ten bars at most."""
    if not clients:
        return ()
    found = Counter(one.reputation for one in clients)
    lowest, highest = min(found), max(found)
    width = -(-(highest - lowest + 1) // MOST_BARS)
    return tuple(
        Bar(first, min(first + width - 1, highest), sum(found[at] for at in range(first, first + width)))
        for first in range(lowest, highest + 1, width)
    )


def parts_of(money: Money) -> tuple[Part, ...]:
    """All of the escrow, whatever lost bonds brought into it included."""
    rewards = money.rewards
    promised = rewards.unclaimed + rewards.disputable
    amounts = {
        "claimed": rewards.claimed,
        "unclaimed": rewards.unclaimed,
        "disputable": rewards.disputable,
        "compensated": rewards.compensated,
        "refunded": money.refunded,
        "free": max(0, money.held - promised),
    }
    total, before, parts = sum(amounts.values()), 0, list[Part]()
    for name, amount in amounts.items():
        left = 1000 * before // total if total else 0
        before += amount
        parts.append(Part(name, amount, left, (1000 * before // total if total else 0) - left))
    return tuple(parts)


def answering(committee: AuthorityList) -> int:
    """Authorities that may still sign and whose last word was an answer."""
    return sum(not one.dismissed and one.last_answer is not None and one.code is None for one in committee.members)


def standing_by(task: TaskDetails) -> int:
    """Edge servers that could take over."""
    return sum(not one.acting and not one.dismissed for one in task.servers)
