"""The rosters of one key authority: before each window of rounds it says on chain whose keys it holds."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from backend.key_authority.followed import FollowedTasks
from backend.key_authority.records import AuthorityRecords
from protocol.errors import HearthError
from protocol.identifiers import Address
from protocol.messages.rosters import runs_of
from protocol.messages.task import TaskSpec
from protocol.round.windows import enrolment_window, first_round
from protocol.task.acting import rosters_until
from protocol.task.ending import is_over
from protocol.task.state import TaskState
from storage.ledger.interface import Ledger
from storage.ledger.polling import Polling

log = structlog.get_logger()


class Rosters:
    """Posts what is due. What it posted is asked of the chain alone, so it may be killed at any time."""

    def __init__(self, ledger: Ledger, records: AuthorityRecords, followed: FollowedTasks | None = None) -> None:
        """``followed``: the chain as other watches of this authority follow it, too."""
        self._ledger, self._records, self._followed = (
            ledger,
            records,
            followed or FollowedTasks(ledger, Polling(ledger, 0.0)),
        )

    def post(self, task: int, spec: TaskSpec) -> None:
        """Once nobody's envelope is missing here, or a quarter of the time for rosters is left.

        Names only clients whose enrolments are as deep as the task's confirmations ask for: their order stands.
        Raises LedgerError.
        """
        self._followed.look()
        deep, now, state = self._followed.deep(spec.confirmations), self._followed.now, self._followed.state(task)
        if state.posted is None or not self._is_due(state, now):
            return
        held, refused = set(self._records.clients(task)), self._records.refused(task)
        clients = [client for client, event in state.enrolled.items() if event.block <= deep]
        missing = state.enrolled.keys() - state.left.keys() - (held | refused) - self._sealed_for_good(state)
        last_moment = rosters_until(state) - spec.durations.roster_seconds // 4
        if now <= last_moment and (missing or len(clients) < len(state.enrolled)):
            return
        window = enrolment_window(len(state.rounds), spec.cohort.roster_rounds)
        self._records.keep_roster(task, window)
        self._ledger.post_roster(task, window, runs_of(clients, held), runs_of(clients, refused))

    def _sealed_for_good(self, state: TaskState) -> set[Address]:
        """Who enrolled in a window whose key is erased, and was not shown in time: nobody waits for them."""
        assert state.posted is not None
        rounds = self._records.first_window(state.task) * state.posted.terms.roster_rounds
        return set(state.enrolled_before(rounds)) if rounds else set()

    def _is_due(self, state: TaskState, now: int) -> bool:
        """A window comes next, nobody is waited for any more, and this authority, in its role still, has not posted."""
        assert state.posted is not None
        opened, length, own = len(state.rounds), state.posted.terms.roster_rounds, self._ledger.sender
        window = enrolment_window(opened, length)
        enrolling = not opened and now <= state.enrol_until
        comes = first_round(window, length) == opened + 1 and state.current is None and not enrolling
        said = own in state.dismissed or own in state.rosters.get(window, {})
        return comes and not said and not is_over(state, now) and now <= rosters_until(state)


class RosterWatch:
    """Looks at the tasks that the authority was shown."""

    def __init__(
        self, rosters: Rosters, records: AuthorityRecords, remember: Callable[[], None] = lambda: None
    ) -> None:
        """``remember`` compares the records with the chain, before anything is posted."""
        self._rosters, self._records, self._remember = rosters, records, remember

    def post(self) -> None:
        """What can be posted now; what fails is tried again the next time."""
        tasks = sorted(self._records.tasks())
        try:
            if tasks:
                self._remember()
        except HearthError as error:
            log.warning("records not compared with the chain", error=str(error))
            return
        for task in tasks:
            spec = self._records.spec(task)
            try:
                if spec is not None:
                    self._rosters.post(task, spec)
            except HearthError as error:
                log.warning("roster", task=task, error=str(error))
