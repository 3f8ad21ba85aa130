"""Readings of files: Home Assistant's history export, tables with a header, days of tracebase.

What cannot be used is counted by why and left out; a file in which nothing can be used is an error.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from csv import Error as TableError
from csv import reader as rows_of_table
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Final

from client_agent.data.intake.findings import (
    MAX_SOURCES,
    Description,
    Measurement,
    Quantity,
    Refusal,
    Refused,
    device_named,
    label,
)
from client_agent.data.intake.holding import Row
from client_agent.data.intake.local_time import seconds_of
from client_agent.data.intake.quantities import MAX_WATTS, POWER_UNITS, measured
from client_agent.data.intake.statestream import without_quantity
from client_agent.data.tracebase import MAX_GAP_SECONDS, SLOT_SECONDS
from protocol.errors import MalformedError
from storage.bounded_file import read_bounded

FORMATS: Final = ("home-assistant", "table", "tracebase")
MAX_FILE: Final = 64 * 1024 * 1024
_ENTITY_HEADER: Final = ["entity_id", "state", "last_changed"]
_TRACEBASE: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4}) (\d\d:\d\d:\d\d);(\d{1,6});\d{1,6}", re.ASCII)
_DAY_IN_NAME: Final = re.compile(r"_\d{4}\.\d\d\.\d\d$", re.ASCII)
_TIME_COLUMN: Final = re.compile(r"(?:date/?)?time(?:stamp)?|date|last_changed", re.ASCII)
_POWER_COLUMN: Final = re.compile(r"a?power|watts?|leistung", re.ASCII)
_ENERGY_COLUMN: Final = re.compile(r"(?:total[ _]act(?:ive)?|active)[ _]energy", re.ASCII)
_UNIT: Final = re.compile(r"[\s_(\[]+(?P<unit>mW|kW|MW|W|Wh|UTC)[)\]]?$")
_LONGEST_INTERVAL: Final = 3600  # seconds that an amount of energy may be of


@dataclass(slots=True)
class History:
    """Of one device. ``rows``: watts by time, None where nothing is known. ``tells_gaps``: whether silence is a
    constant value. ``last``: the time that was read last."""

    about: Description
    unit: str
    tells_gaps: bool = False
    longest_silence: int | None = None
    rows: dict[int, float | None] = field(default_factory=dict)
    last: int | None = None

    def ordered(self) -> list[Row]:
        """By time, with a gap after the last reading and after each silence of more than ``longest_silence``."""
        rows = sorted(self.rows.items())
        found = list[Row]()
        for (at, watts), (following, _) in pairwise(rows):
            found.append((at, watts))
            if self.longest_silence is not None and following - at > self.longest_silence:
                found.append((at + self.longest_silence, None))
        return [*found, *rows[-1:], *((at + MAX_GAP_SECONDS, None) for at, _ in rows[-1:])]


@dataclass(frozen=True, slots=True)
class Import:
    histories: Mapping[str, History]  # by device
    refused: Mapping[str, int]


def read_history(path: Path, form: str | None, zone: tzinfo, unit: str) -> Import:
    """Of a file in one of FORMATS, None for whichever it is. ``zone``: of times that name none; ``unit``: of power that
    names none. Raises OSError, and MalformedError for a file in which nothing can be used."""
    if unit not in POWER_UNITS:
        raise MalformedError(f"{unit[:20]!r} is no unit of power: {', '.join(POWER_UNITS)}")
    text = _text(path)
    form = form or _recognised(text)
    if form not in FORMATS:
        raise MalformedError(f"{path}: no known format: {', '.join(FORMATS)}")
    reading = Reading(zone, unit)
    readers: Mapping[str, Callable[[Path, str], None]] = {
        "home-assistant": reading.home_assistant,
        "table": reading.table,
        "tracebase": reading.tracebase,
    }
    try:
        readers[form](path, text)
    except (MalformedError, TableError) as error:
        raise MalformedError(f"{path}: {error.args[0]}") from error
    if not any(one.rows for one in reading.histories.values()):
        why = ", ".join(f"{count} {why}" for why, count in sorted(reading.refused.items())) or "it is empty"
        raise MalformedError(f"{path}: no reading in it can be used: {why}")
    return Import(reading.histories, dict(reading.refused))


def _text(path: Path) -> str:
    data = read_bounded(path, MAX_FILE)
    if data.startswith(b"\x1f\x8b"):
        try:
            unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
            data = unpacking.decompress(data, MAX_FILE)
        except zlib.error as error:
            raise MalformedError(f"{path}: cannot be unpacked: {error}") from error
        if not unpacking.eof:
            raise MalformedError(f"{path}: cut off, or larger than {MAX_FILE} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path}: no text in UTF-8") from error


def _recognised(text: str) -> str | None:
    first = text[:1000].lstrip().split("\n", 1)[0].strip()
    if _TRACEBASE.fullmatch(first):
        return "tracebase"
    names = [name.strip().strip('"') for name in re.split("[,;\t]", first)]
    if set(_ENTITY_HEADER) <= {name.lower() for name in names}:
        return "home-assistant"
    return "table" if any(_TIME_COLUMN.fullmatch(_UNIT.sub("", name).lower()) for name in names) else None


class Reading:
    """Of one file."""

    def __init__(self, zone: tzinfo, unit: str) -> None:
        self._zone, self._unit = zone, unit
        self.histories: dict[str, History] = {}
        self.refused: Counter[str] = Counter()

    def home_assistant(self, path: Path, text: str) -> None:
        """An entity a row. What does not measure power by its name is left out; amounts of energy are no readings."""
        for row in self._table(text):
            entity, state, at = (row.get(name, "") for name in _ENTITY_HEADER)
            name = entity.strip().lower().removeprefix("sensor.")
            if not name.endswith("_power") and not name.endswith("leistung"):
                self.refused[Refusal.OTHER.value] += 1
                continue
            history = self._history(label(without_quantity(name)), self._unit)
            if history is not None:
                history.tells_gaps = True  # the export says when an entity was unavailable
                self._take(history, seconds_of(at, self._zone, history.last), state, self._unit)

    def table(self, path: Path, text: str) -> None:
        """A column for the time and one for power, or for energy since the row before."""
        first = next(iter(text.splitlines()), "")
        time = self._column(first, _TIME_COLUMN)
        power, energy = self._column(first, _POWER_COLUMN), self._column(first, _ENERGY_COLUMN)
        if time is None or (power is None and energy is None):
            raise MalformedError("no column of times and one of power, such as Time and Power (W), in its first line")
        history = self._history(label(path.name.partition(".")[0]), power[1] if power and power[1] else self._unit)
        assert history is not None  # it is the first
        for row in self._table(text):
            at = seconds_of(row.get(time[0], ""), self._zone, history.last)
            if power is not None:
                self._take(history, at, row.get(power[0], ""), history.unit)
            elif energy is not None:
                self._amount(history, at, row.get(energy[0], ""))

    def tracebase(self, path: Path, text: str) -> None:
        """The first reading of every ten seconds, as the data set is used elsewhere. Its folder names its type."""
        plug = _DAY_IN_NAME.sub("", path.name.partition(".csv")[0])
        history = self._history(label(f"{path.absolute().parent.name} {plug}"), "W")
        assert history is not None  # it is the first
        history.longest_silence = MAX_GAP_SECONDS
        for line in text.splitlines():
            found = _TRACEBASE.fullmatch(line.strip())
            if found is None:
                self.refused[Refusal.MALFORMED.value] += 1
                continue
            day, month, year, time, watts = found.groups()
            before = history.last
            at = seconds_of(f"{year}-{month}-{day} {time}", self._zone, before)
            if at is None or before is None or at // SLOT_SECONDS != before // SLOT_SECONDS:
                self._take(history, at, watts, "W")

    def _amount(self, history: History, at: int | None, amount: str) -> None:
        """Wh since the row before, as watts that held meanwhile."""
        before, history.last = history.last, history.last if at is None else at
        if at is None:
            self.refused[Refusal.CLOCK.value] += 1
        elif before is not None and 0 < at - before <= _LONGEST_INTERVAL:
            watts = [one for one in measured("", "", Quantity.ENERGY, amount, "Wh") if isinstance(one, Measurement)]
            value = watts[0].value if watts else None
            if value is None or value * 3600 / (at - before) > MAX_WATTS:
                self.refused[Refusal.NO_NUMBER.value] += 1
            else:
                history.rows[before] = value * 3600 / (at - before)

    def _take(self, history: History, at: int | None, value: str, unit: str) -> None:
        if at is None:
            self.refused[Refusal.CLOCK.value] += 1
            return
        for one in measured("", "", Quantity.POWER, value, unit):
            if isinstance(one, Refused):
                self.refused[one.why.value] += 1
            elif isinstance(one, Measurement):
                self.refused[Refusal.DUPLICATE.value] += at in history.rows
                history.rows[at], history.last = one.value, at

    def _history(self, name: str, unit: str) -> History | None:
        device = device_named("import", name)
        if device not in self.histories:
            if len(self.histories) >= MAX_SOURCES:
                self.refused[Refusal.TOO_MANY.value] += 1
                return None
            self.histories[device] = History(Description(device, name), unit)
        return self.histories[device]

    def _table(self, text: str) -> Iterator[dict[str, str]]:
        """Rows by the names of the first line, in small letters and without units."""
        lines = text.splitlines()
        separator = _separator(lines[0]) if lines else ","
        names: list[str] | None = None
        for row in rows_of_table(lines, delimiter=separator, strict=True):
            if names is None:
                names = [name.strip().lower() for name in row]
            elif row:
                yield dict(zip(names, row, strict=False))

    def _column(self, first: str, wanted: re.Pattern[str]) -> tuple[str, str] | None:
        """Name and unit of the first column of a kind; the unit is "" where it names none."""
        for name in next(rows_of_table([first], delimiter=_separator(first)), []):
            unit = _UNIT.search(name.strip())
            plain = _UNIT.sub("", name.strip()).lower()
            if wanted.fullmatch(plain):
                return name.strip().lower(), unit["unit"] if unit and unit["unit"] in POWER_UNITS else ""
        return None


def _separator(line: str) -> str:
    return max(";\t,", key=line.count)
