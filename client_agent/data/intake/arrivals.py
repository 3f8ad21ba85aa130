"""What a batch of findings changes in the stored readings. Within one change of the database: all of it, or nothing."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import Final

from client_agent.data.intake import holding
from client_agent.data.intake.findings import (
    MAX_SOURCES,
    Availability,
    Description,
    Finding,
    Measurement,
    Quantity,
    Refusal,
    Refused,
)
from client_agent.data.intake.holding import Held, Row, Step

HOUR: Final = 3600
Place = tuple[str, str]  # device and channel
_ALL: Final = """
SELECT device, channel, id, power_unit, energy_unit, watts, row_at, seen, clock, stamp, counter, counter_at FROM plugs
"""
_UNIT: Final = {
    Quantity.POWER: "UPDATE plugs SET power_unit = ? WHERE id = ?",
    Quantity.ENERGY: "UPDATE plugs SET energy_unit = ? WHERE id = ?",
}
_ABOUT: Final = """
UPDATE devices SET name = coalesce(nullif(?, ''), name), manufacturer = coalesce(nullif(?, ''), manufacturer),
    model = coalesce(nullif(?, ''), model) WHERE device = ?
"""


class Arrivals:
    """One batch on its way into the database; :meth:`finish` writes what all of it comes to."""

    def __init__(self, connection: sqlite3.Connection, max_plugs: int) -> None:
        self._connection, self._max_plugs = connection, max_plugs
        self._counts: Counter[str] = Counter()
        self._numbers: dict[Place, int] = {}
        self._held: dict[int, Held] = {}
        self._changed: set[int] = set()
        self._devices = set[str]()
        self._units: dict[tuple[int, Quantity], str] = {}
        for device, channel, number, power, energy, *held in connection.execute(_ALL):
            self._numbers[device, channel], self._held[number] = number, Held(*held)
            self._units |= {(number, Quantity.POWER): power, (number, Quantity.ENERGY): energy}
        self._devices.update(device for (device,) in connection.execute("SELECT device FROM devices"))

    def take(self, arrived: Iterable[tuple[int, Finding]]) -> None:
        """Each with the second in which it arrived."""
        for now, finding in arrived:
            match finding:
                case Measurement():
                    self._measured(finding, now)
                case Availability():
                    self._available(finding, now)
                case Description():
                    self._described(finding)
                case Refused():
                    self._counts[finding.why.value] += finding.count

    def gaps(self, now: int) -> None:
        """Nothing is known of any plug from ``now`` on."""
        for number, held in list(self._held.items()):
            self._apply(number, holding.gap(held, now))

    def history(self, place: Place, unit: str, rows: Iterable[Row]) -> None:
        """Of a file, in order. Where a row of the same second is stored already, that one stays."""
        number = self._number(place)
        if number is None:
            return
        listed = list(rows)
        self._connection.executemany(
            "INSERT OR IGNORE INTO readings VALUES (?, ?, ?)", ((number, *row) for row in listed)
        )
        self._connection.execute("UPDATE plugs SET power_unit = ? WHERE id = ?", (unit, number))
        self._connection.execute(
            "DELETE FROM progress WHERE appliance IN (SELECT id FROM appliances WHERE plug = ?)", (number,)
        )
        held = self._held[number]
        if listed and (held.row_at is None or listed[-1][0] > held.row_at):
            at = listed[-1][0]
            self._keep(number, Held(None, at, at, held.clock, held.stamp, held.counter, held.counter_at))

    def count(self, why: Refusal, times: int = 1) -> None:
        self._counts[why.value] += times

    def finish(self) -> None:
        self._connection.executemany(
            "UPDATE plugs SET watts=?, row_at=?, seen=?, clock=?, stamp=?, counter=?, counter_at=? WHERE id=?",
            [
                (one.watts, one.row_at, one.seen, one.clock, one.stamp, one.counter, one.counter_at, number)
                for number, one in ((number, self._held[number]) for number in sorted(self._changed))
            ],
        )
        self._connection.executemany(
            "INSERT INTO refused VALUES (?, ?) ON CONFLICT (why) DO UPDATE SET count = count + excluded.count",
            sorted(self._counts.items()),
        )

    def _measured(self, one: Measurement, now: int) -> None:
        number = self._number((one.device, one.channel))
        if number is None:
            return
        if self._units.get((number, one.quantity)) != one.unit:
            self._connection.execute(_UNIT[one.quantity], (one.unit, number))
            self._units[number, one.quantity] = one.unit
        step = (holding.power if one.quantity == Quantity.POWER else holding.energy)(self._held[number], one, now)
        self._apply(number, step)
        if step.used:
            self._connection.execute(
                "INSERT INTO energy VALUES (?, ?, ?) ON CONFLICT (plug, hour) DO UPDATE SET wh = wh + excluded.wh",
                (number, now // HOUR * HOUR, step.used),
            )

    def _available(self, one: Availability, now: int) -> None:
        if self._known(one.device):
            self._connection.execute("UPDATE devices SET available = ? WHERE device = ?", (one.available, one.device))
        if not one.available:
            for (device, _), number in self._numbers.items():
                if device == one.device:
                    self._apply(number, holding.gap(self._held[number], now))

    def _described(self, one: Description) -> None:
        """What is said later counts, what is not said does not."""
        if self._known(one.device):
            self._connection.execute(_ABOUT, (one.name, one.manufacturer, one.model, one.device))

    def _known(self, device: str) -> bool:
        if device not in self._devices:
            if len(self._devices) >= MAX_SOURCES:
                self.count(Refusal.TOO_MANY)
                return False
            self._connection.execute("INSERT INTO devices VALUES (?, '', '', '', NULL)", (device,))
            self._devices.add(device)
        return True

    def _number(self, place: Place) -> int | None:
        """Of a plug, which is made when it is new."""
        if place not in self._numbers:
            if len(self._numbers) >= self._max_plugs or not self._known(place[0]):
                self.count(Refusal.TOO_MANY)
                return None
            made = self._connection.execute("INSERT INTO plugs (device, channel) VALUES (?, ?)", place).lastrowid
            assert made is not None
            self._numbers[place], self._held[made] = made, Held()
        return self._numbers[place]

    def _apply(self, number: int, step: Step) -> None:
        for why in step.why:
            self.count(why)
        if step.drop_after is not None:
            self._connection.execute("DELETE FROM readings WHERE plug = ? AND at > ?", (number, step.drop_after))
        if step.row is not None:
            self._connection.execute("INSERT OR REPLACE INTO readings VALUES (?, ?, ?)", (number, *step.row))
        self._keep(number, step.held)

    def _keep(self, number: int, held: Held) -> None:
        if held != self._held[number]:
            self._held[number] = held
            self._changed.add(number)
