"""Drives all tasks of a server: one follower of the chain, a small pool for moves, a worker that relays.

A task costs no thread. It is stepped when the chain or a phone has news for it, or when its deadline has come. While
nothing happens the chain is asked for its head alone, once for each block; block time runs on meanwhile. A batch
that is due waits for no other task's moves, and for nothing that is relayed: the server's bond depends on it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog
from structlog.contextvars import bound_contextvars

from backend.problem import RequestError
from backend.rounds.desk import Desk
from backend.rounds.hosted_task import HostedTask
from backend.rounds.inbox import Inbox
from backend.rounds.relay import Relay
from backend.rounds.task_leases import TaskLeases
from backend.trace_context import new_trace
from protocol.errors import HearthError, Party
from protocol.identifiers import NATIVE_COIN
from protocol.messages.chain import Event, RoundOpened, TaskPosted
from protocol.task.acting import NEVER
from protocol.task.state import TaskState
from storage.ledger.event_file import EventFile
from storage.ledger.follower import EventFollower
from storage.ledger.interface import Ledger
from storage.ledger.polling import Polling

WORKERS = 4  # for moves; each may wait for its confirmations
BATCH_WORKERS = 64  # for tasks whose batch is due soon
TICK_SECONDS = 0.15  # between two looks at what is due: they ask nobody for anything
AWAY_SECONDS = 1.0  # between two looks for the records while they are away

log = structlog.get_logger()


class StoppedError(HearthError):
    """The server is shutting down."""

    code = "E_STOPPED"


class Driver:
    """``host`` makes a task of this server from the event that posted it; its own are found on chain again.
    ``polling`` says when it is looked at, ``file`` is for what was read of it. ``leases``: tasks that other processes
    of this server drive are only watched. ``forget`` is told how many rounds of each task were opened by now, before
    anybody is answered: of records that are an older copy."""

    def __init__(
        self,
        ledger: Ledger,
        inbox: Inbox,
        host: Callable[[TaskPosted], HostedTask],
        polling: Polling,
        file: EventFile | None = None,
        leases: TaskLeases | None = None,
        forget: Callable[[Mapping[int, int]], None] | None = None,
    ) -> None:
        self._leases, self._forget = leases, forget
        self._ledger, self._inbox, self._host = ledger, inbox, host
        self._relay = Relay(ledger, inbox)
        self._polling = polling
        self._follower = EventFollower(ledger, None, Event, polling.ask, file)
        self._followed: tuple[Event, ...] = ()
        self._tasks: dict[int, HostedTask] = {}
        self._due: dict[int, int] = {}  # block time of the next step, by task
        self._busy: set[int] = set()
        self._free = threading.BoundedSemaphore(WORKERS)
        self._looked, self._stop, self._news = threading.Event(), threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._looking = threading.Lock()  # one look at the chain at a time
        self.now = 0  # seconds of block time, as of the last look

    def head(self) -> int:
        """The last block that was looked at."""
        return self._follower.head

    def deep(self, confirmations: int) -> int:
        """The last block of those that counts as confirmed."""
        return self._follower.deep(confirmations)

    # step by step

    def look(self) -> None:
        """At the chain: every task with new events is due. Raises LedgerError."""
        with self._looking:
            self._follower.refresh()
            self.now = self._follower.now
            for hosted in list(self._tasks.values()):
                hosted.desk.look_at_head()
            if self._follower.events is self._followed and self._looked.is_set():
                return
            self._followed = self._follower.events
            events = defaultdict[int, list[Event]](list)
            for event in self._followed:
                events[getattr(event, "task", 0)].append(event)
            posted = [event for event in self._followed if isinstance(event, TaskPosted)]
            own = {event.task: event for event in posted if self._ledger.sender in event.terms.edge_servers}
            if self._forget is not None:
                self._forget({task: sum(isinstance(event, RoundOpened) for event in events[task]) for task in own})
                self._forget = None
            for task in self._tasks.keys() - own.keys():  # the chain took it back
                del self._tasks[task]
                self._due.pop(task, None)
            for task, event in own.items():
                self._tell(event, tuple(events[task]))
            self._looked.set()

    def _tell(self, posted: TaskPosted, events: tuple[Event, ...]) -> None:
        hosted = self._tasks.get(posted.task)
        if hosted is None or hosted.posted.terms != posted.terms:  # another branch of the chain posted another task
            hosted = self._tasks[posted.task] = self._host(posted)
        if hosted.events != events:
            hosted.events = events
            self.wake(posted.task)

    def due(self) -> list[int]:
        """Tasks to be stepped now."""
        with self._lock:
            return [task for task, due in self._due.items() if due <= self.now and task not in self._busy]

    def next_due(self) -> int:
        """Block time at which something is to be done, unless there is news before."""
        with self._lock:
            return min(self._due.values(), default=NEVER)

    def step(self, task: int) -> None:
        """One move of one task."""
        hosted = self._tasks.get(task)
        if hosted is None:
            return
        with self._lock:
            self._busy.add(task)
            self._due[task] = NEVER
        try:
            drives = self._drives(task)
            with bound_contextvars(task=task, round=len(hosted.state.rounds), trace_id=new_trace()):
                deadline = hosted.step(self.now, self._bonded(), self.deep) if drives else hosted.watch(self.now)
        finally:
            with self._lock:
                self._busy.discard(task)
        with self._lock:
            # something may have come meanwhile, or to another process, which does not wake this one
            again = NEVER if self._leases is None else self.now + 1
            self._due[task] = min(deadline, self._due[task], again)

    def relay(self) -> None:
        """Some of what waits, of all tasks: nothing where a batch is due, which would be sent behind it."""
        for task in self._inbox.tasks():
            hosted = self._tasks.get(task)
            if any(self._is_hurried(other) for other in list(self._tasks)):
                return
            if hosted is not None and hosted.served and self._drives(task):
                waiting = self._inbox.waiting(task)
                with bound_contextvars(task=task, trace_id=new_trace()):
                    self._relay.send(hosted.state, self.now)
                if self._inbox.waiting(task) != waiting:
                    self._try_to_look()  # at what was sent

    def _is_hurried(self, task: int) -> bool:
        """False as well for a task that the chain has just taken back, or whose records cannot be read now."""
        hosted = self._tasks.get(task)
        try:
            return hosted is not None and self._drives(task) and hosted.hurried(self.now)
        except HearthError as error:
            log.warning("not known whether a batch is due", task=task, error=str(error))
            return False

    def _bonded(self) -> list[int]:
        """Tasks that ask for a bond in the chain's own coin."""
        terms = {task: hosted.posted.terms for task, hosted in self._tasks.items()}
        return [task for task, of_task in terms.items() if of_task.edge_bond and of_task.token == NATIVE_COIN]

    def take_over(self) -> None:
        """Tasks that no other process drives any more."""
        if self._leases is None:
            return
        for task in self._leases.keep(list(self._tasks), self.now):
            if (hosted := self._tasks.get(task)) is not None:
                hosted.performer.start_again()
                self.wake(task)

    def _drives(self, task: int) -> bool:
        return self._leases is None or self._leases.holds(task, self.now)

    # what phones reach

    def wake(self, task: int) -> None:
        """There is news that a move may be waiting for."""
        with self._lock:
            self._due[task] = 0
        self._news.set()

    def desk(self, task: int) -> Desk:
        """Raises RequestError: ``E_NOT_FOUND``, or ``E_STARTING`` while the tasks on chain are not read yet."""
        hosted = self._tasks.get(task)
        if hosted is not None and hosted.served:
            return hosted.desk
        starting = not self._looked.is_set() or (hosted is not None and not hosted.refused)
        code = "E_STARTING" if starting else "E_NOT_FOUND"
        raise RequestError(f"no task {task} here", fault=Party.CLIENT, code=code)

    def state(self, task: int) -> TaskState:
        """As of the task's last step. Raises KeyError for a task that is not this server's."""
        return self._tasks[task].state

    def tasks(self) -> Mapping[int, HostedTask] | None:
        """All of this server's by number, also those that it does not serve (yet); None before the chain is read."""
        return dict(self._tasks) if self._looked.is_set() else None

    def ring(self) -> None:
        """Whoever waits for news of any task looks again."""
        for hosted in list(self._tasks.values()):
            hosted.desk.bell.ring()

    def held(self) -> int:
        """How many tasks this process drives."""
        return sum(self._drives(task) for task in list(self._tasks))

    # as threads

    def start(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="move")
        self._batches = ThreadPoolExecutor(BATCH_WORKERS, thread_name_prefix="batch")
        loops = {"driver": self._drive, "relay": self._relay_all}
        self._threads = [threading.Thread(target=loop, name=name) for name, loop in loops.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Returns when every thread has ended."""
        self._stop.set()
        self._news.set()
        for thread in self._threads:
            thread.join()
        for pool in (self._pool, self._batches):
            pool.shutdown(cancel_futures=True)
        if self._leases is not None:
            self._leases.release(self.now)

    def pause(self, seconds: float) -> None:
        """Raises StoppedError when the server shuts down meanwhile."""
        if self._stop.wait(seconds):
            raise StoppedError("stopping")

    def _drive(self) -> None:
        while not self._stop.is_set():
            self.keep_up()
            self.take_over()
            for task in self.due():
                hurried = self._is_hurried(task)
                if hurried or self._free.acquire(blocking=False):
                    with self._lock:
                        self._busy.add(task)
                    (self._batches if hurried else self._pool).submit(self._work, task, hurried)
            self._news.wait(min(TICK_SECONDS, max(0.01, self._polling.until_due())))
            self._news.clear()

    def _work(self, task: int, hurried: bool) -> None:
        try:
            self.step(task)
            self._try_to_look()  # at what the move has done
        finally:
            if not hurried:
                self._free.release()
            self._news.set()

    def keep_up(self) -> None:
        """With the chain where it may have a new block, with its time else."""
        if self._polling.until_due() <= 0:
            self._try_to_look()
        else:
            self.now = max(self.now, self._polling.now())

    def _try_to_look(self) -> None:
        try:
            self.look()
        except HearthError as error:
            log.warning("no look at the chain", error=str(error))

    def _relay_all(self) -> None:
        pause = TICK_SECONDS
        while not self._stop.wait(pause):
            try:
                self.relay()
                pause = TICK_SECONDS
            except HearthError as error:  # of the records, which may be there again the next time
                log.warning("nothing is relayed now", error=str(error))
                pause = AWAY_SECONDS
