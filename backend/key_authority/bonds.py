"""The bonds of one key authority, looked after beside its answers: nobody who asks it for a key waits for a block."""

from __future__ import annotations

import structlog

from backend.bonds import BondKeeper
from backend.key_authority.followed import FollowedTasks
from backend.key_authority.records import AuthorityRecords
from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN
from protocol.messages.task import TaskSpec
from storage.ledger.interface import Ledger, LedgerError
from storage.ledger.polling import Polling

FUNDED_SECONDS = 300  # after which an account that was too poor is looked at again, and an operator's bond

log = structlog.get_logger()


class BondWatch:
    """Looks at the tasks that the authority was shown. The state is the chain's."""

    def __init__(
        self, ledger: Ledger, records: AuthorityRecords, limit_wei: int, followed: FollowedTasks | None = None
    ) -> None:
        """``followed``: the chain as other watches of this authority follow it, too."""
        self._records, self._followed = records, followed or FollowedTasks(ledger, Polling(ledger, 0.0))
        self._keeper = BondKeeper(ledger, limit_wei)
        self._bonded: dict[int, TaskSpec] = {}
        self._done: set[int] = set()
        self._tried: dict[int, tuple[object, ...]] = {}  # the last moment at which all was done, by task

    def place_and_take_back(self) -> None:
        """Sends what can be sent now; what fails is tried again the next time."""
        waiting = sorted(self._records.tasks() - self._done)
        try:
            if waiting:
                self._followed.look()
        except HearthError as error:
            log.warning("no look at the chain", error=str(error))
            return
        for task in waiting:
            try:
                if self._finish(task):
                    self._done.add(task)
                    self._bonded.pop(task, None)
            except HearthError as error:
                if isinstance(error, LedgerError):
                    self._tried.pop(task, None)  # whatever it was, it may be gone the next time
                log.warning("bond", task=task, error=str(error))

    def _finish(self, task: int) -> bool:
        """True when nothing is left to do for this task."""
        spec = self._bonded.get(task) or self._records.spec(task)
        if spec is None or spec.deposits.authority == 0:
            return True
        posted = self._followed.state(task).posted
        if task not in self._bonded:
            if posted is None or posted.block > self._followed.deep(spec.confirmations):
                return False  # a reorganisation may still give its number to another task
            self._bonded[task] = spec
        moment = (*self._followed.moment(task, spec.confirmations), self._followed.now // FUNDED_SECONDS)
        if self._tried.get(task) == moment:
            return False
        self._tried[task] = moment
        others = [other for other, bonded in self._bonded.items() if bonded.rewards.token == NATIVE_COIN]
        placed = self._keeper.place(task, spec.rewards.token, spec.deposits.authority, others)
        return placed and self._keeper.take_back(task)
