"""What time it is on a chain: what its blocks say, carried on between them by a clock that only runs.

What this machine believes the time to be decides nothing (docs/adr/0051-block-time-alone.md); that it is wrong is said.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from protocol.identifiers import Digest

KEPT_SIGHTS: Final = 8  # so long a block that was dated ahead, or a clock that was set back, makes the time late by it
QUIET_SECONDS: Final = 30.0  # without a new block, after which the node itself is asked for the time
TOLERANCE_SECONDS: Final = 60  # by which a machine's clock may be off unsaid
_NODE: Final = b"node"  # in place of a block's hash: the time that the node would give a block


def running_seconds() -> float:
    """Since this machine was started, while it slept too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class BlockClock:
    """Of one node. A block was made when it was first seen, or before: so its time, and what has passed since, is not
    later than the next block's. The latest such bound of the last few blocks is the time.

    ``running`` gives seconds since whenever; ``wall`` what this machine believes, to ``tell`` once that it is wrong.
    For threads.
    """

    def __init__(
        self,
        running: Callable[[], float] = running_seconds,
        wall: Callable[[], float] = time.time,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._running, self._wall, self._tell = running, wall, tell
        self._lock = threading.Lock()
        self._sights: OrderedDict[Digest, float] = OrderedDict()  # block time less running time, as first seen
        self._latest = 0
        self._ask_at: float | None = None  # running time; None before the first block
        self._is_dated = False  # some sight is known to be fresh
        self._is_told = False

    def see(self, block: Digest, timestamp: int) -> None:
        """The block, by its hash, is the node's latest one."""
        with self._lock:
            self._latest = timestamp
            if block not in self._sights:
                running = self._running()
                self._is_dated |= bool(self._sights)  # it came while somebody looked
                self._ask_at = running if self._ask_at is None else running + QUIET_SECONDS
                self._keep(block, timestamp - running)

    def wants_node_time(self) -> bool:
        """The latest block may be old: the first one that was seen, or one that none has followed for long."""
        with self._lock:
            return self._ask_at is not None and self._running() >= self._ask_at

    def hear(self, timestamp: int | None) -> None:
        """What the node would date a block of this moment; None when it does not say."""
        with self._lock:
            running = self._running()
            self._ask_at = running + QUIET_SECONDS
            if timestamp is not None and timestamp >= self._latest:
                self._is_dated = True
                self._keep(_NODE, timestamp - running)

    def now(self) -> int:
        """Seconds of block time, once a block was seen; not earlier than the latest one."""
        with self._lock:
            now = self._running() + max(self._sights.values())
            off = self._wall() - now
            told, self._is_told = self._is_told, self._is_told or (self._is_dated and abs(off) > TOLERANCE_SECONDS)
        if self._is_told and not told:
            self._tell(_text(round(off / 10) * 10))  # within a block's time it is not known
        return max(self._latest, int(now))

    def _keep(self, sight: Digest, origin: float) -> None:
        self._sights.pop(sight, None)
        self._sights[sight] = origin
        if len(self._sights) > KEPT_SIGHTS:
            self._sights.popitem(last=False)


def _text(off: int) -> str:
    side = "ahead of" if off > 0 else "behind"
    return (
        f"this machine's clock is {abs(off):,} s {side} the chain's; the chain's counts, so nothing here depends on it"
    )
