"""Wakes every request that waits for news of a task, from any thread and without a look in between."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

from backend.gone import Gone

AT_ONCE: Final = 16  # are woken before the event loop sees to others: five thousand answers take most of a second


class Bell:
    """Whoever waits says what had rung when it looked, so nothing that rings between its look and its wait is lost.

    Waiting costs nothing until it rings: no thread, no look every second.
    """

    def __init__(self) -> None:
        self.rung = 0  # how often
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._woken = deque[asyncio.Future[None]]()

    async def wait(self, seen: int, seconds: float, gone: Gone | None = None) -> None:
        """Until it has rung more often than ``seen``, or whoever waits is gone, or for so long."""
        if self.rung != seen:
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting = loop, {}
            self._woken.clear()
        future = loop.create_future()
        self._waiting[future] = None
        over = loop.call_later(seconds, _end, future)
        if gone is not None:
            gone.wake = partial(_end, future)
        try:
            await future
        finally:
            over.cancel()
            if gone is not None:
                gone.wake = None
            self._waiting.pop(future, None)

    @property
    def is_awaited(self) -> bool:
        return bool(self._waiting)

    def ring(self) -> None:
        self.rung += 1
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # closed meanwhile: nobody waits there any more
                return

    def _wake(self) -> None:
        idle = not self._woken
        self._woken.extend(self._waiting)
        self._waiting = {}
        if idle:
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(AT_ONCE, len(self._woken))):
            _end(self._woken.popleft())
        if self._woken and self._loop is not None:
            self._loop.call_soon(self._wake_some)


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
