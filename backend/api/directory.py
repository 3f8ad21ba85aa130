"""The port behind the public part of the API: every task that this server runs, and the public facts alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final, Protocol

from backend.problem import RequestError
from backend.rounds.bell import Bell
from backend.rounds.driver import Driver
from backend.rounds.hosted_task import HostedTask
from protocol.errors import Party
from protocol.messages.chain import Event, TaskPosted
from protocol.task.ending import is_over
from protocol.task.state import TaskState
from protocol.task.status import TaskStatus, status_of

SERVED, WAITING, REFUSED = "served", "waiting", "refused"
BOARD_SECONDS: Final = 0.5  # for which all who follow all tasks share one look at them


@dataclass(frozen=True, slots=True)
class Entry:
    """One task. ``service``: served; waiting for confirmations, its spec or a bond; or refused, because it cannot run.

    ``events``: all of it, in the order of the chain; ``seconds``: how long this server's moves took, by round and kind.
    """

    posted: TaskPosted
    state: TaskState
    status: TaskStatus
    events: tuple[Event, ...]
    service: str
    seconds: Mapping[int, Mapping[str, float]]
    bell: Bell  # rings when there is news

    @property
    def task(self) -> int:
        return self.posted.task

    def is_as(self, other: Entry | None) -> bool:
        """Whether nothing of it has changed."""
        return (
            other is not None
            and self.status is other.status
            and self.events is other.events
            and self.service == other.service
        )


@dataclass(frozen=True, slots=True)
class Board:
    """All tasks at one time, by number. ``events``: of all of them, in the order of the chain."""

    entries: Mapping[int, Entry]
    events: tuple[Event, ...]


class Directory(Protocol):
    def now(self) -> int:
        """Block time in seconds."""
        ...

    def entry(self, task: int) -> Entry:
        """Raises RequestError: ``E_NOT_FOUND``, ``E_STARTING`` while the tasks on chain are not read yet."""
        ...

    def entries(self) -> Iterator[Entry]:
        """The last one posted first. Raises RequestError ``E_STARTING``."""
        ...

    def board(self) -> Board:
        """The same one until something changes, as of half a second ago at most. Raises RequestError ``E_STARTING``."""
        ...


class DriverDirectory:
    """What the driver has read of the chain. Statuses are made once for each state. ``clock`` runs on, in seconds."""

    def __init__(self, driver: Driver, clock: Callable[[], float] = time.monotonic) -> None:
        self._driver, self._clock = driver, clock
        self._board, self._looked = Board({}, ()), -BOARD_SECONDS
        self._looking = threading.Lock()
        self._made: dict[int, tuple[tuple[object, ...], TaskStatus]] = {}

    def now(self) -> int:
        return self._driver.now

    def entry(self, task: int) -> Entry:
        hosted = self._tasks().get(task)
        if hosted is None:
            raise RequestError(f"no task {task} here", fault=Party.CLIENT, code="E_NOT_FOUND")
        return self._entry(hosted)

    def entries(self) -> Iterator[Entry]:
        tasks = self._tasks()
        return (self._entry(tasks[task]) for task in sorted(tasks, reverse=True))

    def board(self) -> Board:
        with self._looking:
            if self._clock() - self._looked >= BOARD_SECONDS:
                self._board = _next_board(self._board, {entry.task: entry for entry in self.entries()})
                self._looked = self._clock()
            return self._board

    def _tasks(self) -> Mapping[int, HostedTask]:
        tasks = self._driver.tasks()
        if tasks is None:
            raise RequestError("the tasks on chain are not read yet", fault=Party.CLIENT, code="E_STARTING")
        return tasks

    def _entry(self, hosted: HostedTask) -> Entry:
        state = hosted.state
        service = REFUSED if hosted.refused else SERVED if hosted.served else WAITING
        status, seconds = self._status(hosted.posted.task, state), hosted.performer.seconds
        return Entry(hosted.posted, state, status, hosted.events, service, seconds, hosted.desk.bell)

    def _status(self, task: int, state: TaskState) -> TaskStatus:
        """Time alone changes whether the task is over, and what is payable; its ``now`` may be an earlier one."""
        now, payable_from = self._driver.now, state.payable_from()
        key = (state, is_over(state, now), payable_from is not None and now >= payable_from)
        known = self._made.get(task)
        if known is not None and known[0][0] is state and known[0][1:] == key[1:]:
            return known[1]
        made = status_of(state, now)
        self._made[task] = (key, made)
        return made


def _next_board(last: Board, entries: Mapping[int, Entry]) -> Board:
    if entries.keys() == last.entries.keys() and all(one.is_as(last.entries[task]) for task, one in entries.items()):
        return last
    found = chain.from_iterable(entry.events for entry in entries.values())
    return Board(entries, tuple(sorted(found, key=lambda event: (event.block, event.log_index))))
