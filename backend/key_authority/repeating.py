"""What a key authority does beside its answers: the same again after each pause, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from protocol.errors import HearthError

log = structlog.get_logger()


class Repeating:
    """``act`` begins after the first pause, and never beside itself. A HearthError is told, and no end: records may be
    away for a while."""

    def __init__(self, name: str, act: Callable[[], None], pause_seconds: float) -> None:
        self._act, self._pause_seconds = act, pause_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended, so after the act that it is in."""
        self._stop.set()
        self._thread.join()

    def _repeat(self) -> None:
        while not self._stop.wait(self._pause_seconds):
            try:
                self._act()
            except HearthError as error:
                log.warning("will try again", what=self._thread.name, error=str(error))
