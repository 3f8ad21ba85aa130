"""The tasks of one ledger as its watches in a key authority see them: one look at the chain for all of them."""

from __future__ import annotations

import threading
from collections import defaultdict

from protocol.identifiers import Address
from protocol.messages.chain import Event, TaskPosted
from protocol.task.ending import is_over
from protocol.task.fold import fold
from protocol.task.state import TaskState
from storage.ledger.event_file import EventFile
from storage.ledger.follower import EventFollower
from storage.ledger.interface import Ledger
from storage.ledger.polling import Polling

AGAIN_SECONDS = 5  # until the next attempt at what time alone decides, once a task is over
RARELY_SECONDS = 320


class FollowedTasks:
    """``state``, ``head`` and ``now`` are as of the last :meth:`look`. May be shared by threads."""

    def __init__(self, ledger: Ledger, polling: Polling, file: EventFile | None = None) -> None:
        self._follower = EventFollower(ledger, None, Event, polling.head, file)
        self._lock = threading.Lock()
        self._read: tuple[Event, ...] = ()
        self._events: dict[int, tuple[Event, ...]] = {}
        self._states: dict[int, TaskState] = {}
        self._since: dict[int, int] = {}  # seconds of block time: when something was last seen to happen

    def look(self) -> None:
        """One question, while nothing happens, for each block. Raises LedgerError."""
        with self._lock:
            self._follower.refresh()
            if self._follower.events is self._read:
                return
            self._read, found = self._follower.events, defaultdict[int, list[Event]](list)
            for event in self._read:
                found[getattr(event, "task", 0)].append(event)
            for task in self._events.keys() | found.keys():
                events = tuple(found.get(task, ()))
                if events != self._events.get(task):
                    self._events[task], self._since[task] = events, self._follower.now
                    self._states.pop(task, None)

    def tasks_of(self, authority: Address) -> list[int]:
        """Those in whose committee it is, ascending."""
        with self._lock:
            first = {task: events[0] for task, events in self._events.items() if events}
        posted = {task: event for task, event in first.items() if isinstance(event, TaskPosted)}
        return sorted(task for task, event in posted.items() if authority in event.terms.authorities)

    @property
    def head(self) -> int:
        return self._follower.head

    def deep(self, confirmations: int) -> int:
        """The last block that counts as confirmed."""
        return self._follower.deep(confirmations)

    @property
    def now(self) -> int:
        return self._follower.now

    def state(self, task: int) -> TaskState:
        with self._lock:
            if task not in self._states:
                self._states[task] = fold(task, self._events.get(task, ()))
            return self._states[task]

    def events(self, task: int) -> tuple[Event, ...]:
        """In chain order."""
        with self._lock:
            return self._events.get(task, ())

    def moment(self, task: int, confirmations: int) -> tuple[object, ...]:
        """Another one whenever something may have become possible in a task: an event came, or is deep enough, or time
        has passed that decides something. Who has done all that one moment allows need not ask until the next.
        """
        with self._lock:
            events, since = self._events.get(task, ()), self._since.get(task, 0)
        state, now = self.state(task), self.now
        depth = min(self.deep(confirmations) - events[-1].block, 0) if events else 0
        over = is_over(state, now)
        return events, depth, over, _attempts(now - since) if over else 0


def _attempts(seconds: int) -> int:
    """In so much time, with pauses that double up to RARELY_SECONDS."""
    doubled = min(seconds, RARELY_SECONDS) // AGAIN_SECONDS + 1
    return doubled.bit_length() + max(0, seconds - RARELY_SECONDS) // RARELY_SECONDS
