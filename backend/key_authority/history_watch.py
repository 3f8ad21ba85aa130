"""Histories that nobody opens any more are erased, also while nobody asks this authority for anything."""

from __future__ import annotations

import structlog

from backend.key_authority.followed import FollowedTasks
from backend.key_authority.records import AuthorityRecords
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.task import TaskSpec
from protocol.round.screening_request import gone_before
from protocol.task.ending import is_over
from protocol.task.fold import fold

log = structlog.get_logger()


class HistoryWatch:
    """Looks at the tasks that the authority was shown: at who left, and what is over."""

    def __init__(self, records: AuthorityRecords, followed: FollowedTasks) -> None:
        self._records, self._followed = records, followed
        self._tried: dict[int, tuple[object, ...]] = {}  # the last moment at which all was done, by task

    def erase(self) -> None:
        """What can be erased now; what fails is tried again the next time."""
        for task in sorted(self._records.tasks()):
            held = self._records.histories.held(task)
            spec = self._records.spec(task) if held else None
            try:
                if spec is not None:
                    self._erase(task, spec, held)
            except HearthError as error:
                self._tried.pop(task, None)
                log.warning("histories", task=task, error=str(error))

    def _erase(self, task: int, spec: TaskSpec, held: frozenset[Address]) -> None:
        """By what is as deep as the task's confirmations ask for: an accumulator does not come back."""
        self._followed.look()
        moment = (*self._followed.moment(task, spec.confirmations), held)
        if self._tried.get(task) == moment:
            return
        deep = self._followed.deep(spec.confirmations)
        state = fold(task, (event for event in self._followed.events(task) if event.block <= deep))
        running = state.current
        if running is None and is_over(state, self._followed.now):
            self._records.histories.forget(task, held)
        else:
            opening = len(state.rounds) + 1 if running is None else running.number
            self._records.histories.forget(task, gone_before(state, opening))
        self._tried[task] = moment
