"""What an address brings from task to task: a reputation that takes time to gain, and the task that gave it.

The contract keeps it (``contracts/src/Standings.sol``); an auditor derives it here from the events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.messages.chain import LedgerRules, Standing

NO_STANDING: Final = Standing(0, 0, 0, 0)  # of an address that never enrolled


@dataclass(frozen=True, slots=True)
class Counted:
    """What a standing is worth in one task at one instant; the next waiting period runs from ``since``."""

    counts: bool  # not: it was given by nobody yet, or by a manufacturer that the task does not list
    reputation: int
    since: int


def counted(standing: Standing, is_listed: bool, rules: LedgerRules, now: int) -> Counted:
    """``is_listed``: the task takes the word of whoever gave the standing.

    One that it does not count is worth the floor at most: that is what any task may start a new address with.
    """
    missing = max(0, rules.floor - standing.reputation)
    gained = min(missing, max(0, now - standing.since) // rules.waiting_seconds)
    waited = Counted(
        standing.source != 0 and is_listed,
        standing.reputation + gained,
        standing.since + gained * rules.waiting_seconds,
    )
    if standing.source == 0 or (not waited.counts and waited.reputation >= rules.floor):
        return Counted(False, rules.floor, now)
    return waited


def admitted(worth: Counted, initial: int, rules: LedgerRules) -> int:
    """The reputation with which its address enters a task that starts new ones at ``initial``.

    One below the floor from elsewhere is not shed; nor is it worth more than none.
    """
    if not worth.counts and worth.reputation >= min(rules.floor, initial):
        return initial
    return worth.reputation


def settled(standing: Standing, worth: Counted, leaf: int, task: int, rules: LedgerRules, now: int) -> Standing:
    """After a leaf of ``task`` with this reputation.

    A loss counts whole and at once; a gain is of one, and only after a waiting period.
    """
    reputation, since = worth.reputation, worth.since
    source = standing.source if worth.counts or reputation != rules.floor else task
    if leaf < reputation:
        reputation, since = leaf, now
    elif leaf > reputation and now - since >= rules.waiting_seconds:
        reputation, since, source = reputation + 1, now, task
    return Standing(reputation, since, standing.task, source)
