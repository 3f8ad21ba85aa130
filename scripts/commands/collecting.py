"""What ``hearth household collect`` and ``serve`` do alike: read from a broker, tidy, and make examples beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from protocol.errors import HearthError
from protocol.text import shown
from scripts.commands.outcome import reason

if TYPE_CHECKING:
    from client_agent.data.intake.broker import Broker, Collecting
    from client_agent.data.intake.findings import AnyConvention
    from client_agent.data.intake.readings import Readings

EXAMPLES_SECONDS: Final = 600  # between two looks for new examples
STOP_LOOK_SECONDS: Final = 0.5


def tell(line: str) -> None:
    typer.echo(shown(line))


@dataclass(frozen=True)
class Collector:
    """``replayed``: the time is what is said on the broker."""

    broker: Broker
    conventions: tuple[AnyConvention, ...]
    replayed: bool
    household: Path

    def collecting(self, readings: Readings) -> Collecting:
        """Belongs to the running event loop. Raises BrokerError."""
        from client_agent.data.intake.arrival import Clock, MachineClock, ReplayedClock
        from client_agent.data.intake.broker import Collecting
        from client_agent.data.intake.listening import Listening

        clock: Clock = ReplayedClock() if self.replayed else MachineClock()
        listening = Listening(self.conventions, readings, tell)
        return Collecting(self.broker, listening, clock, tell, Regularly(readings, self.household, self.replayed, tell))

    def __call__(self, readings: Readings, stopped: threading.Event) -> None:
        """In a thread beside a page, which goes on without it."""

        async def listen() -> None:
            collecting = self.collecting(readings)
            running = asyncio.ensure_future(collecting.run())
            while not stopped.is_set() and not running.done():
                await asyncio.wait([running], timeout=STOP_LOOK_SECONDS)
            collecting.stop()
            await running

        try:
            asyncio.run(listen())
        except HearthError as error:
            tell(f"nothing is collected: {error}")


class Regularly:
    """What is done beside listening, by the time that it is. ``always``: whenever it is asked."""

    def __init__(self, readings: Readings, household: Path, always: bool, tell: Callable[[str], None]) -> None:
        self._readings, self._household, self._tell = readings, household, tell
        self._pause = 0 if always else EXAMPLES_SECONDS
        self._next = 0
        self._failed = ""

    def __call__(self, now: int) -> None:
        from client_agent.data.intake.examples import write_examples
        from client_agent.data.intake.opening import ReadingsFullError

        if now < self._next:
            return
        self._next = now + self._pause
        try:
            self._readings.tidy(now)
            write_examples(self._readings, self._household, now)
            self._failed = ""
        except (ReadingsFullError, OSError) as error:  # there may be room later, and listening goes on meanwhile
            why = reason(error) if isinstance(error, OSError) else error.args[0]
            if why != self._failed:
                self._tell(f"no new examples: {why}")
            self._failed = why
