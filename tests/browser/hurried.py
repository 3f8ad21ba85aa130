"""Starts ``hearth`` so that a phone looks at its chain again at once, however long it was going to wait.

A test moves the clock of its chain; a phone that has said when it sends would sleep that long by its own clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

LOOK_SECONDS: Final = 0.25


def hurry() -> None:
    asleep = time.sleep
    time.sleep = lambda seconds: asleep(min(float(seconds), LOOK_SECONDS))
    from client_agent.web.worker import Worker

    waited = Worker._await

    def looks(self: Worker, seconds: float, until: Callable[[], bool]) -> None:
        waited(self, min(seconds, LOOK_SECONDS), until)

    Worker._await = looks  # type: ignore[method-assign]


if __name__ == "__main__":
    hurry()  # before anything could keep the usual ones
    from scripts.cli import main

    sys.argv = ["hearth", *sys.argv[1:]]
    main()
