"""When a process asks for the head of its chain again: once for each block, by all in the process together.

What a chain does counts for more than the name of its program: one for development may make its blocks regularly too.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import Final

from storage.ledger.block_times import measured_block_seconds
from storage.ledger.interface import Head, LedgerError, LedgerReader

FASTEST_SECONDS: Final = 0.15  # where blocks come on demand: nobody waits longer for one
LONGEST_SECONDS: Final = 15.0
BUSY_SECONDS: Final = 6.0  # after a block, in which such a chain may soon have the next
IDLE_SECONDS: Final = 1.0
REGULAR_GAPS: Final = 4  # between blocks, of which none differs by more than the rounding: such a chain has a pace


class Polling:
    """May be shared by threads. ``seconds`` between two questions; None: as long as a block of this chain takes, and
    where blocks come on demand so that one is noticed at once while something happens. ``running`` is any clock that
    only runs.
    """

    def __init__(
        self, ledger: LedgerReader, seconds: float | None = None, running: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._seconds, self._running = ledger, seconds, running
        self._lock = threading.Lock()
        self._head: Head | None = None
        self._asked, self._changed = -inf, 0.0  # running time: of the last question, of the last new block
        self._silent_since: float | None = None  # running time: of the first question that no answer has followed
        self._block_seconds: float | None = None  # 0 on a chain for development
        self._blocks = deque[tuple[int, int]](maxlen=REGULAR_GAPS + 1)  # there: the last numbers and timestamps

    def ask(self) -> Head:
        """The head, of this moment. Raises LedgerError."""
        with self._lock:
            return self._ask()

    def head(self) -> Head:
        """The last one, as long as no other is to be expected; its time runs on. Raises LedgerError."""
        with self._lock:
            if self._head is None or self._until_due() <= 0:
                return self._ask()
            return replace(self._head, now=self._head.now + int(self._running() - self._asked))

    def now(self) -> int:
        """Block time in seconds, carried on from the last head; 0 before the first."""
        with self._lock:
            return 0 if self._head is None else self._head.now + int(self._running() - self._asked)

    @property
    def last(self) -> Head | None:
        """The last head that was shown; None before the first."""
        return self._head

    def silent_seconds(self) -> float:
        """For which the endpoint has left questions without an answer; 0 where nobody waits for one."""
        since = self._silent_since  # without the lock: whoever asks holds it until there is an answer
        return 0.0 if since is None else self._running() - since

    def until_due(self) -> float:
        """Seconds until it is worth while to ask again; 0 or less: now."""
        with self._lock:
            return self._until_due()

    def _until_due(self) -> float:
        return self._asked + (IDLE_SECONDS if self._head is None else self._interval()) - self._running()

    def _ask(self) -> Head:
        self._asked = self._running()  # an endpoint that is away is left alone as long
        self._silent_since = self._asked if self._silent_since is None else self._silent_since
        head = self._ledger.head()
        self._silent_since = None
        if self._head is None or head.hash != self._head.hash:
            self._changed = self._asked
            if self._block_seconds == 0:
                self._note(head.block, head.timestamp)
        self._head = head
        if self._seconds is None and self._block_seconds is None:
            self._block_seconds = self._measured(head)
        return head

    def _interval(self) -> float:
        if self._seconds is not None:
            return self._seconds
        if self._block_seconds:
            return min(self._block_seconds, LONGEST_SECONDS)
        passed, regular = self._running() - self._changed, self._regular_seconds()
        if regular and passed < 2 * regular:
            return min(regular, LONGEST_SECONDS)
        return FASTEST_SECONDS if passed < BUSY_SECONDS and not regular else IDLE_SECONDS

    def _regular_seconds(self) -> float:
        """Between two of the last blocks; 0 where they came at no pace."""
        if len(self._blocks) <= REGULAR_GAPS:
            return 0.0
        gaps = [(time - before) / (block - last) for (last, before), (block, time) in pairwise(self._blocks)]
        (first, begun), (last, ended) = self._blocks[0], self._blocks[-1]
        return (ended - begun) / (last - first) if min(gaps) >= 1 and max(gaps) - min(gaps) <= 1 else 0.0

    def _note(self, block: int, timestamp: int) -> None:
        if self._blocks and block <= self._blocks[-1][0]:
            self._blocks.clear()  # the chain changed its mind
        self._blocks.append((block, timestamp))

    def _measured(self, head: Head) -> float | None:
        """None where it is not known yet."""
        try:
            if not self._ledger.makes_blocks_on_demand():
                return float(measured_block_seconds(self._ledger))
            for block in range(max(1, head.block - REGULAR_GAPS), head.block):
                self._note(block, self._ledger.block_timestamp(block))
        except LedgerError:
            return None
        self._note(head.block, head.timestamp)
        return 0.0
