"""Which tasks this process drives, where several processes of one edge server share its records.

A lease is renewed long before it ends. Whoever is killed lets it end, and another process goes on from records, chain
and content as a process that was started again would. Two that drive one task for a moment, because one of them slept,
are harmless: each decision is appended to the records first, where the later one is overtaken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from protocol.errors import HearthError
from storage.records.interface import Records

LEASE_SECONDS: Final = 6
RENEWAL_SECONDS: Final = 2

log = structlog.get_logger()


class TaskLeases:
    """``holder`` is another one for each process. Times are seconds of block time, which all processes share."""

    def __init__(self, records: Records, holder: str) -> None:
        self._records, self._holder = records, holder
        self._until: dict[int, int] = {}
        self._asked: dict[int, int] = {}

    def holds(self, task: int, now: int) -> bool:
        return now < self._until.get(task, 0)

    def keep(self, tasks: Iterable[int], now: int) -> list[int]:
        """Takes what is free, and renews what is held. Those that were taken just now."""
        return [task for task in tasks if self._keep(task, now)]

    def release(self, now: int) -> None:
        """For others to go on at once."""
        for task in self._until:
            self._claim(task, now, now)
        self._until.clear()

    def _keep(self, task: int, now: int) -> bool:
        if now < self._asked.get(task, 0):
            return False
        held, self._asked[task] = self.holds(task, now), now + RENEWAL_SECONDS
        if not self._claim(task, now + LEASE_SECONDS, now):
            return False
        self._until[task] = now + LEASE_SECONDS
        if not held:
            log.info("drives the task", task=task)
        return not held

    def _claim(self, task: int, until: int, now: int) -> bool:
        try:
            return self._records.claim(f"task-{task}", self._holder, until, now)
        except HearthError as error:  # it is another's as soon as the lease ends
            log.warning("lease not asked for", task=task, error=str(error))
            return False
