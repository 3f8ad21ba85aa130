"""How long a sender of transactions is patient."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of patience, and the clock that they are measured by.

    ``receipt_seconds``: in which nothing happens to a transaction, until its sender is told that nobody knows its fate;
    ``stuck_seconds``: without a block that takes it, until more is offered for it; ``untaken_seconds``: until one that
    no node says it has is sent once more, for the last time.
    """

    receipt_seconds: float = 120.0
    stuck_seconds: float = 30.0
    untaken_seconds: float = 10.0
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


DEFAULT_PACE: Final = Pace()
