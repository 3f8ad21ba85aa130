"""Fees of one server and of the authorities that it sends for, until each is seen to be paid.

Nobody else asks for them. So what failed is tried again, after twice as long each time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from protocol.identifiers import Address

FIRST_SECONDS: Final = 5
LONGEST_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class _Trial:
    """``owed``: in all, when it was sent."""

    owed: int
    made: int
    again: int  # seconds of block time


@dataclass
class Fees:
    """Times are seconds of block time, sums the least unit of the task's money. Not for threads."""

    _trials: dict[int, dict[Address, _Trial]] = field(default_factory=dict)

    def rest(self, task: int, now: int) -> bool:
        """Whether all that is owed was sent, and none of it is to be looked at again yet."""
        trials = self._trials.get(task, {}).values()
        return bool(trials) and all(now < trial.again for trial in trials)

    def due(self, task: int, owed: Mapping[Address, int], in_company: bool, now: int) -> list[Address]:
        """Whose are to be sent, of those that are not paid yet; ``owed`` in all. ``in_company``: of a client's claim.

        What was not sent yet goes in company. What was sent and is not paid goes alone: then the ledger says why before
        anything is spent, while in a batch it would skip it and charge for it.
        """
        known = self._trials.get(task, {})
        known = {holder: trial for holder, trial in known.items() if owed.get(holder) == trial.owed}
        self._trials = {**self._trials, task: known} if known else {t: k for t, k in self._trials.items() if t != task}
        fresh = [holder for holder in owed if holder not in known]
        again = [] if in_company else [holder for holder in owed if holder in known and now >= known[holder].again]
        return fresh or again[:1]

    def tried(self, task: int, owed: Mapping[Address, int], holders: Collection[Address], now: int) -> None:
        """These are being sent."""
        trials = self._trials.setdefault(task, {})
        for holder in holders:
            made = trials[holder].made + 1 if holder in trials else 1
            trials[holder] = _Trial(owed[holder], made, now + min(LONGEST_SECONDS, FIRST_SECONDS << min(made - 1, 10)))
        if not trials:
            del self._trials[task]
