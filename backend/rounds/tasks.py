"""All tasks that name this edge server: found on chain, each driven by a thread of its own."""

from __future__ import annotations

import threading

import structlog

from backend.bonds import BondKeeper
from backend.problem import RequestError
from backend.rounds.committee_client import CommitteeClient
from backend.rounds.coordinator import Coordinator
from backend.rounds.desk import Desk
from backend.rounds.history import TaskHistory
from backend.rounds.journal import EdgeJournal
from protocol.errors import HearthError, MalformedError, Party
from protocol.identifiers import NATIVE_COIN, Address
from protocol.messages.chain import TaskPosted
from storage.content.interface import ContentStore
from storage.ledger.follower import EventFollower
from storage.ledger.interface import Ledger
from storage.ledger.signer import Signer

log = structlog.get_logger()


class TaskBoard:
    """Starts a coordinator for every task of this server; a restart finds them all again."""

    def __init__(
        self,
        ledger: Ledger,
        store: ContentStore,
        journal: EdgeJournal,
        committee: CommitteeClient,
        signer: Signer,
        bonds: BondKeeper,
        censored: frozenset[Address],
        tick_seconds: float,
    ) -> None:
        self._ledger, self._store, self._journal, self._committee = ledger, store, journal, committee
        self._signer, self._bonds = signer, bonds
        self._censored, self._tick_seconds = censored, tick_seconds
        self._desks: dict[int, Desk] = {}
        self._waiting: set[int] = set()
        self._refused: list[TaskPosted] = []
        self._unbonded: dict[TaskPosted, TaskHistory] = {}  # read, and waiting for this server's bond
        self._posted = EventFollower(ledger, None, TaskPosted)
        self._looked = threading.Event()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._watch, name="tasks")]

    def start(self) -> None:
        self._threads[0].start()

    def stop(self) -> None:
        """Returns when every thread has ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def desk(self, task: int) -> Desk:
        """Raises RequestError: ``E_NOT_FOUND``, or ``E_STARTING`` while the tasks on chain are not read yet."""
        desk = self._desks.get(task)
        if desk is None:
            code = "E_NOT_FOUND" if self._looked.is_set() and task not in self._waiting else "E_STARTING"
            raise RequestError(f"no task {task} here", fault=Party.CLIENT, code=code)
        return desk

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self._posted.refresh()
            except HearthError as error:
                log.warning("no look at the chain", error=str(error))
            else:
                ours = [event for event in self._posted.events if self._ledger.sender in event.terms.edge_servers]
                waiting = [event for event in ours if event.task not in self._desks and event not in self._refused]
                self._waiting = {event.task for event in waiting}
                bonded = [event for event in ours if event.terms.edge_bond]
                for event in waiting:
                    self._take(event, [event.task for event in bonded if event.terms.token == NATIVE_COIN])
                self._looked.set()
                self._take_bonds_back([event.task for event in bonded if event.task in self._desks])
            self._stop.wait(2 * self._tick_seconds)

    def _take_bonds_back(self, tasks: list[int]) -> None:
        for task in tasks:
            try:
                self._bonds.take_back(task)
            except HearthError as error:
                log.warning("bond not returned yet", task=task, error=str(error))

    def _take(self, posted: TaskPosted, bonded: list[int]) -> None:
        """Nothing but the bond is missing while it is not there; the task waits for it."""
        task = posted.task
        try:
            history = self._unbonded.pop(posted, None) or TaskHistory(self._ledger, self._store, task)
            if self._ledger.block_number() < posted.block + history.spec.confirmations:
                return
            if not self._bonds.place(task, posted.terms.token, posted.terms.edge_bond, bonded):
                self._unbonded[posted] = history
                return
        except MalformedError as error:
            log.error("task refused", task=task, error=str(error))
            self._waiting.discard(task)
            self._refused.append(posted)
            return
        except HearthError as error:
            log.warning("task cannot be taken yet", task=task, error=str(error))
            return
        desk = Desk(self._ledger.domain, self._signer, history, self._journal, self._censored)
        coordinator = Coordinator(
            self._ledger.confirmed(history.spec.confirmations),
            self._store,
            self._journal,
            self._committee,
            history,
            desk,
            self._stop,
            self._tick_seconds,
        )
        thread = threading.Thread(target=coordinator.run, name=f"task {task}")
        self._desks[task] = desk
        self._threads.append(thread)
        self._waiting.discard(task)
        thread.start()
