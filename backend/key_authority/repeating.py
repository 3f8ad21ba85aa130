"""What a key authority does beside its answers: the same again after each pause, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Repeating:
    """``act`` begins after the first pause, and never beside itself. What it raises ends the thread."""

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
            self._act()
