"""How long a node or a store is asked again, and when: in growing, drawn pauses, or when it asks for one itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 4.0  # also where a node asks for more


@dataclass(frozen=True, slots=True)
class Patience:
    """``seconds``: after the first attempt, in which a node that says "later" is asked again. Nobody is kept longer: a
    server with a batch due goes on to what else it can do. ``attempts``: at a question whose answers are broken or
    contradict what is known, and at a node that is not there.
    """

    seconds: float = 10.0
    attempts: int = 4
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    drawn: Callable[[], float] = random.random  # in [0, 1): many clients must not come back at the same instant
    clock: Callable[[], float] = time.time  # for a date without the node's own time beside it

    def pause(self, attempt: int, asked_for: float | None) -> float:
        """Seconds after failed ``attempt`` 0, 1, ...; not before the node wants it, within reason."""
        grown = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 16), LONGEST_PAUSE_SECONDS)
        return max(grown * (1 + self.drawn()) / 2, min(asked_for or 0.0, LONGEST_PAUSE_SECONDS))

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Seconds of an HTTP ``Retry-After`` (RFC 9110, 10.2.3); None where there is none that can be understood.

        A date is held against the node's own clock, as far as it tells it: ours may be wrong.
        """
        text = headers.get("retry-after", "").strip()
        if text.isascii() and text.isdecimal():
            return float(text[:9])
        until, sent = _instant(text), _instant(headers.get("date", ""))
        return None if until is None else max(0.0, until - (self.clock() if sent is None else sent))


DEFAULT_PATIENCE: Final = Patience()


def _instant(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
