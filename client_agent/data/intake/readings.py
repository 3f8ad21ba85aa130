"""A household's readings: what its plugs said, for how long it is kept, and what the owner says of each plug."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from client_agent.data.intake import holding
from client_agent.data.intake.appliances import name_appliance
from client_agent.data.intake.arrivals import HOUR, Arrivals
from client_agent.data.intake.findings import Availability, Description, Finding, Refusal
from client_agent.data.intake.holding import MINUTE, Row
from client_agent.data.intake.opening import Database
from client_agent.data.intake.plugs import (
    USUAL_LIMITS,
    Limits,
    Plug,
    Purpose,
    Series,
    require_brand,
    require_kind,
    suggested_brand,
    suggested_kind,
)
from client_agent.data.intake.retention import ALIVE, delete_plug, moment, set_moment, shrink
from protocol.errors import MalformedError

READINGS: Final = "readings.db"  # in the folder of a household
_PLUGS: Final = """
SELECT p.id, p.device, p.channel, coalesce(d.name, ''), coalesce(d.manufacturer, ''), coalesce(d.model, ''),
    p.power_unit, p.energy_unit, d.available, p.watts, p.seen, a.kind, coalesce(a.brand, ''), p.same_as
FROM plugs p LEFT JOIN devices d ON d.device = p.device LEFT JOIN appliances a ON a.id = p.appliance ORDER BY p.id
"""
_OF_A_PLUG: Final = "SELECT d.available FROM plugs p LEFT JOIN devices d ON d.device = p.device WHERE p.id = ?"


class Readings:
    """Times are whole seconds since 1970 and are arguments. Every call raises ReadingsError when the file cannot be
    used, and MalformedError for the number of no plug."""

    def __init__(self, path: Path, limits: Limits = USUAL_LIMITS) -> None:
        self._limits = limits
        self._database = Database(path, limits.max_bytes * 5 // 4)  # tidying keeps it within the limit itself

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    @property
    def database(self) -> Database:
        """For the examples that are made of readings, which are stored beside them."""
        return self._database

    # what the collector writes

    def begin(self, now: int) -> None:
        """Listening begins: since somebody listened last nothing is known."""
        with self._database.changing() as connection:
            last = moment(connection, ALIVE)
            arrivals = Arrivals(connection, self._limits.max_plugs)
            arrivals.gaps(now if last is None else min(last, now))
            arrivals.finish()
            set_moment(connection, ALIVE, now)

    def add(self, arrived: Sequence[tuple[int, Finding]], now: int) -> None:
        """Each with the second of its arrival, in this order. Raises ReadingsFullError: none of them is stored then,
        and everything before is."""
        with self._database.changing() as connection:
            arrivals = Arrivals(connection, self._limits.max_plugs)
            arrivals.take(arrived)
            arrivals.finish()
            set_moment(connection, ALIVE, now)

    def interrupted(self, now: int) -> None:
        """Nothing is heard of any plug from ``now`` on."""
        with self._database.changing() as connection:
            arrivals = Arrivals(connection, self._limits.max_plugs)
            arrivals.gaps(now)
            arrivals.finish()
            set_moment(connection, ALIVE, now)

    def add_history(
        self, about: Description, unit: str, rows: Iterable[Row], now: int, tells_gaps: bool = False
    ) -> int:
        """Readings of a file, by time, of a device. ``tells_gaps``: its silence is a constant value. Returns how many
        were too old to be kept, or of a time that is still to come."""
        oldest, listed = now - self._limits.keep_days * 24 * HOUR, list(rows)
        kept = [row for row in listed if oldest <= row[0] <= now]
        left = sum(watts is not None for _, watts in listed) - sum(watts is not None for _, watts in kept)
        with self._database.changing() as connection:
            arrivals = Arrivals(connection, self._limits.max_plugs)
            arrivals.count(Refusal.TOO_OLD, left)
            if kept:
                arrivals.take([(now, about), *([(now, Availability(about.device, True))] if tells_gaps else [])])
                arrivals.history((about.device, ""), unit, kept)
            arrivals.finish()
        return left

    def tidy(self, now: int) -> None:
        """Deletes what is too old, and then the oldest where there is still too much."""
        with self._database.changing() as connection:
            shrink(connection, self._limits.keep_days, now)
        while self._database.used_bytes() > self._limits.max_bytes:
            with self._database.changing() as connection:
                oldest, newest = connection.execute("SELECT min(at), max(at) FROM readings").fetchone()
                if oldest is None:
                    break
                step = max(MINUTE, (newest - oldest) // 16)
                connection.execute("DELETE FROM readings WHERE at < ?", (oldest + step,))
        self._database.give_back()

    # what its owner sees

    def appliances(self) -> tuple[Plug, ...]:
        """All plugs, by number."""
        with self._database.reading() as connection:
            switched = dict[int, set[Purpose]]()
            for number, purpose in connection.execute("SELECT plug, purpose FROM purposes"):
                switched.setdefault(number, set()).add(Purpose(purpose))
            return tuple(_plug(row, switched.get(row[0], set())) for row in connection.execute(_PLUGS))

    def series(self, plug: int, since: int, until: int, most: int | None = None) -> Series:
        """What held from ``since`` to ``until``. ``most``: of so many readings at most, the highest and lowest stay."""
        with self._database.reading() as connection:
            found = self._series(connection, plug, since, until)
        return found if most is None else _thinned(found, most)

    def minutes(self, plug: int, since: int, until: int) -> npt.NDArray[np.float32]:
        """Mean, highest and lowest watts of each whole minute, shape (3, minutes); NaN where nothing was measured."""
        with self._database.reading() as connection:
            return holding.minutes(self._series(connection, plug, since, until), since, until)

    def energy(self, plug: int, since: int, until: int) -> float:
        """Wh that the plug's own counter grew by, of the hours that begin in between."""
        with self._database.reading() as connection:
            _require(connection, plug)
            asked = "SELECT total(wh) FROM energy WHERE plug = ? AND hour >= ? AND hour < ?"
            return float(connection.execute(asked, (plug, since, until)).fetchone()[0])

    def refused(self) -> dict[str, int]:
        """How many readings or messages were not used as they were, by why."""
        with self._database.reading() as connection:
            return dict(connection.execute("SELECT why, count FROM refused WHERE count > 0 ORDER BY why"))

    def bytes_stored(self) -> int:
        return self._database.used_bytes()

    def examples(self, purpose: Purpose) -> int:
        """How many are in the purpose's file."""
        with self._database.reading() as connection:
            asked = "SELECT count(*) FROM windows JOIN purposes USING (plug, purpose) WHERE purpose = ?"
            return int(connection.execute(asked, (purpose.value,)).fetchone()[0])

    def last_heard(self) -> int | None:
        with self._database.reading() as connection:
            found = connection.execute("SELECT max(seen) FROM plugs").fetchone()[0]
            return None if found is None else int(found)

    # what its owner says

    def assign(
        self, plug: int, kind: str, brand: str, purposes: Collection[Purpose], now: int, correct: bool = False
    ) -> None:
        """The first assignment counts for all that is stored; another kind or brand is another appliance, from ``now``
        on, or with ``correct`` what it was before, too. Raises MalformedError for a kind that is not in KINDS."""
        kind, brand = require_kind(kind), require_brand(brand)
        with self._database.changing() as connection:
            _require(connection, plug)
            name_appliance(connection, plug, (kind, brand), now, correct)
            connection.execute("DELETE FROM purposes WHERE plug = ?", (plug,))
            switched = sorted((plug, one.value) for one in purposes)
            connection.executemany("INSERT OR IGNORE INTO purposes VALUES (?, ?)", switched)

    def switch(self, plug: int, purpose: Purpose, on: bool) -> None:
        """Raises MalformedError for a plug that is no appliance yet."""
        with self._database.changing() as connection:
            _require(connection, plug)
            if on and connection.execute("SELECT appliance FROM plugs WHERE id = ?", (plug,)).fetchone()[0] is None:
                raise MalformedError(f"plug {plug}: say first which appliance it is")
            change = "INSERT OR IGNORE INTO purposes VALUES (?, ?)"
            off = "DELETE FROM purposes WHERE plug = ? AND purpose = ?"
            connection.execute(change if on else off, (plug, purpose.value))

    def unassign(self, plug: int) -> None:
        """No appliance any more, and every switch off."""
        with self._database.changing() as connection:
            _require(connection, plug)
            connection.execute("UPDATE plugs SET appliance = NULL WHERE id = ?", (plug,))
            connection.execute("DELETE FROM purposes WHERE plug = ?", (plug,))

    def forget(self, plug: int) -> None:
        """Deletes all that is stored of a plug. It comes back, under another number, when it is heard again."""
        with self._database.changing() as connection:
            _require(connection, plug)
            delete_plug(connection, plug)
        self._database.give_back()

    def forget_everything(self) -> None:
        with self._database.changing() as connection:
            for (plug,) in connection.execute("SELECT id FROM plugs").fetchall():
                delete_plug(connection, plug)
            for statement in ("DELETE FROM devices", "DELETE FROM refused", "DELETE FROM moments"):
                connection.execute(statement)
        self._database.give_back()

    def _series(self, connection: sqlite3.Connection, plug: int, since: int, until: int) -> Series:
        tells = _require(connection, plug) is not None
        before = "SELECT at, watts FROM readings WHERE plug = ? AND at <= ? ORDER BY at DESC LIMIT 1"
        within = "SELECT at, watts FROM readings WHERE plug = ? AND at > ? AND at < ? ORDER BY at"
        rows: list[Row] = [
            *connection.execute(before, (plug, since)), *connection.execute(within, (plug, since, until)),
        ]  # fmt: skip
        return holding.series(rows, since, until, moment(connection, ALIVE), tells)


def _require(connection: sqlite3.Connection, plug: int) -> int | None:
    """Whether its device is available, None where it never said. Raises MalformedError for no plug."""
    found = connection.execute(_OF_A_PLUG, (plug,)).fetchone() if abs(plug) < 2**63 else None
    if found is None:
        raise MalformedError(f"there is no plug {plug}")
    available: int | None = found[0]
    return available


def _plug(row: tuple[Any, ...], purposes: Collection[Purpose]) -> Plug:
    number, device, channel, name, maker, model, power, energy, available, watts, seen, kind, brand, same = row
    source = f"{device}/{channel}" if channel else f"{device}"
    shown = f"{name} ({channel})" if name and channel else f"{name}" or source
    return Plug(
        number=number,
        source=source,
        name=shown,
        manufacturer=f"{maker}",
        model=f"{model}",
        power_unit=f"{power}",
        energy_unit=f"{energy}",
        available=None if available is None else bool(available),
        watts=watts,
        seen=seen,
        kind=None if kind is None else f"{kind}",
        brand=f"{brand}",
        suggested_kind=suggested_kind(shown, f"{model}"),
        suggested_brand=suggested_brand(f"{maker}"),
        purposes=frozenset(purposes),
        same_as=same,
    )


def _thinned(found: Series, most: int) -> Series:
    """Of each of so many pieces the highest and the lowest, and where a gap begins."""
    pieces = max(1, most // 3)
    if len(found.times) <= most:
        return found
    kept = {0, len(found.times) - 1}
    for places in np.array_split(np.arange(len(found.times)), pieces):
        watts = found.watts[places]
        gaps = np.flatnonzero(np.isnan(watts))
        kept.update(int(places[one]) for one in gaps[:1])
        if len(gaps) < len(watts):
            kept.update((int(places[np.nanargmax(watts)]), int(places[np.nanargmin(watts)])))
    chosen = np.array(sorted(kept), dtype=np.int64)
    return Series(found.times[chosen], found.watts[chosen])
