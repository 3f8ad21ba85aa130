"""When a process asks for the head of its chain again: once for each block, by all in the process together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Final

from storage.ledger.block_times import measured_block_seconds
from storage.ledger.interface import Head, LedgerError, LedgerReader

FASTEST_SECONDS: Final = 0.15  # where blocks come on demand: nobody waits longer for one
LONGEST_SECONDS: Final = 15.0
IDLE_SHARE: Final = 40  # of the time without a block that such a chain is left alone, up to one second
IDLE_SECONDS: Final = 1.0


class Polling:
    """May be shared by threads. ``seconds`` between two questions; None: as long as a block of this chain takes, and on
    a chain for development so that a block is noticed at once. ``running`` is any clock that only runs.
    """

    def __init__(
        self, ledger: LedgerReader, seconds: float | None = None, running: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._seconds, self._running = ledger, seconds, running
        self._lock = threading.Lock()
        self._head: Head | None = None
        self._asked, self._changed = -inf, 0.0  # running time: of the last question, of the last new block
        self._block_seconds: float | None = None  # 0 on a chain whose blocks come on demand

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

    def until_due(self) -> float:
        """Seconds until it is worth while to ask again; 0 or less: now."""
        with self._lock:
            return self._until_due()

    def _until_due(self) -> float:
        return self._asked + (IDLE_SECONDS if self._head is None else self._interval()) - self._running()

    def _ask(self) -> Head:
        self._asked = self._running()  # an endpoint that is away is left alone as long
        head = self._ledger.head()
        if self._head is None or head.hash != self._head.hash:
            self._changed = self._asked
        self._head = head
        if self._seconds is None and self._block_seconds is None:
            self._block_seconds = self._measured()
        return head

    def _interval(self) -> float:
        if self._seconds is not None:
            return self._seconds
        if self._block_seconds:
            return min(self._block_seconds, LONGEST_SECONDS)
        idle = (self._running() - self._changed) / IDLE_SHARE
        return max(FASTEST_SECONDS, min(idle, IDLE_SECONDS))

    def _measured(self) -> float | None:
        """None where it is not known yet."""
        try:
            return 0.0 if self._ledger.makes_blocks_on_demand() else float(measured_block_seconds(self._ledger))
        except LedgerError:
            return None
