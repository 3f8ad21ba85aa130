"""When a message arrives, by this machine's own clock: plugs tell wrong times, or none. Or, of a replay, by the clock
that the replay sends along."""

from __future__ import annotations

import time
from typing import Final, Protocol

from client_agent.data.intake.findings import Message
from client_agent.data.intake.holding import EARLIEST

REPLAY_CLOCK: Final = "hearth/replay/clock"  # a topic: seconds since 1970, before the messages of that second
_LATEST: Final = 2**40


class Clock(Protocol):
    @property
    def topics(self) -> tuple[str, ...]:
        """That tell it the time."""
        ...

    def __call__(self) -> int:
        """Seconds since 1970."""
        ...

    def told(self, message: Message) -> bool:
        """Whether the message was for this clock."""
        ...


class MachineClock:
    topics: tuple[str, ...] = ()

    def __call__(self) -> int:
        return int(time.time())

    def told(self, message: Message) -> bool:
        return False


class ReplayedClock:
    """For demonstrations and tests: whoever may publish on the broker sets it."""

    topics: tuple[str, ...] = (REPLAY_CLOCK,)

    def __init__(self) -> None:
        self._now = 0

    def __call__(self) -> int:
        return self._now

    def told(self, message: Message) -> bool:
        if message.topic != REPLAY_CLOCK:
            return False
        text = message.payload[:20]
        if text.isdigit() and EARLIEST <= int(text) < _LATEST and not message.retained:
            self._now = int(text)
        return True
