"""The bonds of one key authority, looked after beside its answers: nobody who asks it for a key waits for a block."""

from __future__ import annotations

import threading

import structlog

from backend.bonds import BondKeeper
from backend.key_authority.records import AuthorityRecords
from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN
from protocol.messages.chain import TaskPosted
from protocol.messages.task import TaskSpec
from storage.ledger.interface import Ledger

LOOK_SECONDS = 1.0

log = structlog.get_logger()


class BondWatch:
    """Looks at the tasks that the authority was shown, in a thread of its own. The state is the chain's."""

    def __init__(self, ledger: Ledger, records: AuthorityRecords, limit_wei: int) -> None:
        self._ledger, self._records = ledger, records
        self._keeper = BondKeeper(ledger, limit_wei)
        self._bonded: dict[int, TaskSpec] = {}
        self._done: set[int] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bonds")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stop.set()
        self._thread.join()

    def place_and_take_back(self) -> None:
        """Sends what can be sent now; what fails is tried again the next time."""
        for task in sorted(self._records.tasks() - self._done):
            try:
                if self._finish(task):
                    self._done.add(task)
                    self._bonded.pop(task, None)
            except HearthError as error:
                log.warning("bond", task=task, error=str(error))

    def _finish(self, task: int) -> bool:
        """True when nothing is left to do for this task."""
        spec = self._bonded.get(task) or self._records.spec(task)
        if spec is None or spec.deposits.authority == 0:
            return True
        if task not in self._bonded:
            posted = [event for event in self._ledger.events(task) if isinstance(event, TaskPosted)]
            if not posted or self._ledger.block_number() < posted[0].block + spec.confirmations:
                return False  # a reorganisation may still give its number to another task
            self._bonded[task] = spec
        others = [other for other, bonded in self._bonded.items() if bonded.rewards.token == NATIVE_COIN]
        placed = self._keeper.place(task, spec.rewards.token, spec.deposits.authority, others)
        return placed and self._keeper.take_back(task)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.place_and_take_back()
