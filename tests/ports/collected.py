"""A collector beside a publisher on one broker, as short programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from client_agent.data.intake.arrival import MachineClock
from client_agent.data.intake.broker import Broker, Collecting, Pace, connection, parse_broker
from client_agent.data.intake.conventions import NAMES, conventions_of
from client_agent.data.intake.listening import Listening
from client_agent.data.intake.plugs import Plug
from client_agent.data.intake.readings import READINGS, Readings
from tests.ports.brokers import PlayedBroker

BASES = ("tasmota=home/kitchen/%topic%/%prefix%/", "shelly=home/+/+")  # besides the usual ones
SOON = 20.0  # seconds in which what is to happen has happened on the slowest machine
PACE = Pace(save=0.05, answer=1.0, first_pause=0.05, longest_pause=0.2)


@dataclass
class Collected:
    """One collector, and what it told its owner."""

    broker: Broker
    readings: Readings
    collecting: Collecting
    told: list[str] = field(default_factory=list)
    ready: int = 0

    async def publish(self, topic: str, content: Any, retain: bool = False, qos: int = 1) -> None:
        payload = content if isinstance(content, str | bytes) else json.dumps(content)
        async with connection(replace(self.broker, version=None)) as client:
            await client.publish(topic, payload, qos=qos, retain=retain)

    def plug(self, source: str) -> Plug | None:
        return next((one for one in self.readings.appliances() if one.source == source), None)

    def watts(self, source: str = "tasmota:plug1") -> float | None:
        found = self.plug(source)
        return None if found is None else found.watts

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not holds():
                await asyncio.sleep(0.02)


def of(played: PlayedBroker, scheme: str = "mqtt", user: str = "") -> Broker:
    return parse_broker(f"{scheme}://{user}localhost:{played.port}" if scheme == "mqtts" else _plain(played, user))


def _plain(played: PlayedBroker, user: str) -> str:
    return f"mqtt://{user}127.0.0.1:{played.port}"


@asynccontextmanager
async def collected(broker: Broker, folder: Path, pace: Pace = PACE) -> AsyncIterator[Collected]:
    """Listening. Raises what the collector ends with, if it ends by itself."""
    told = list[str]()
    with Readings(folder / READINGS) as readings:
        listening = Listening(conventions_of([*NAMES, *BASES]), readings, told.append)
        collecting = Collecting(broker, listening, MachineClock(), told.append, pace=pace)
        found = Collected(broker, readings, collecting, told)

        def ready() -> None:
            found.ready += 1

        running = asyncio.create_task(collecting.run(ready))
        try:
            await found.until(lambda: found.ready > 0 or running.done())
            if running.done():
                running.result()
            yield found
        finally:
            collecting.stop()
            await running


def sensor(watts: float, time: str = "2026-11-28T09:00:00") -> Any:
    return {"Time": time, "ENERGY": {"Power": watts, "Total": 12.345}}
