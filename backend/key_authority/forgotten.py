"""What an authority may have signed that is not in its records, because an older copy of them was put back.

It compares them with the chain: a roster of its own that they do not know, or its operator's or its machine's word that
they are older. Then nothing is signed of the rounds that were opened by now beyond what is in them, no key is made for
a window for which there may have been one, and it goes on with the next round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from backend.key_authority.entries import Forgotten
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.records import AuthorityRecords
from protocol.encryption.committee import Subset, subsets_without
from protocol.identifiers import Address
from protocol.round.windows import AHEAD
from protocol.task.state import TaskState

log = structlog.get_logger()


class Recollection:
    """Of the authority ``own``. ``trust``: called once all is done for records that are older; None for others."""

    def __init__(
        self, followed: FollowedTasks, records: AuthorityRecords, own: Address, trust: Callable[[], None] | None = None
    ) -> None:
        self._followed, self._records, self._own, self._trust = followed, records, own, trust
        self._lock, self._is_compared = threading.Lock(), False

    def compared(self) -> None:
        """Returns once they were compared with the chain in the life of this process; nobody is answered before.

        Raises LedgerError, RecordsError.
        """
        if not self._is_compared:
            self.check()

    def check(self) -> None:
        """Whenever the chain has news. Raises LedgerError, RecordsError."""
        with self._lock:
            self._check()
            self._is_compared = True

    def _check(self) -> None:
        self._followed.look()
        for task in self._followed.tasks_of(self._own):
            state = self._followed.state(task)
            if state.posted is None:
                continue
            known = self._records.rosters(task)
            posted = {window for window, by in state.rosters.items() if self._own in by}
            if self._trust is not None or (known is not None and posted - known):
                log.error("an older copy of the records was put back", task=task)
                self._records.forget(_forgotten(state, state.posted.terms.roster_rounds, posted), self._held(task))
        if self._trust is not None:
            self._trust()
            self._trust = None

    def _held(self, task: int) -> tuple[Subset, ...]:
        spec = self._records.spec(task)
        if spec is None:
            return ()
        members = spec.committee.members
        return subsets_without(len(members), spec.committee.threshold, members.index(self._own) + 1)


def _forgotten(state: TaskState, roster_rounds: int, posted: set[int]) -> Forgotten:
    """Keys are made from ``AHEAD`` windows before they are needed on."""
    opened = len(state.rounds)
    return Forgotten(state.task, opened, opened // roster_rounds + AHEAD + 1, tuple(sorted(posted)))
