"""The tracebase data set (Reinhardt et al., SustainIT 2012): the power of single home appliances over whole days.

A plug measured one appliance at a time, and some plugs were moved: an appliance is a type and a plug together.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.loader import DataMissingError
from protocol.errors import MalformedError

TYPES: Final = (
    *("Coffeemaker", "Dishwasher", "Lamp", "MicrowaveOven", "Monitor-TFT"),
    *("Refrigerator", "Router", "TV-LCD", "Washingmachine", "WaterKettle"),
)  # a type's place is its label
SLOT_SECONDS: Final = 10  # of every so many seconds the first reading counts
MINUTES: Final = 24 * 60
MAX_GAP_SECONDS: Final = 60  # over which the last reading is taken to hold
MAX_DAY_BYTES: Final = 8 * 1024 * 1024  # of one unpacked file; one reading a second makes 2.4 MB

_SLOTS_OF_A_MINUTE: Final = 60 // SLOT_SECONDS
_NAME: Final = re.compile(r"(?:dev(?:ice)?)?_?(?P<plug>\w+?)_(?P<day>\d{4}\.\d\d\.\d\d)\.csv(?:\.gz)?", re.ASCII)
_LINES: Final = re.compile(rb"(?:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d;\d{1,6};\d{1,6}\r?\n?)+")
_SEPARATORS: Final = bytes.maketrans(b"/:;\r\n", b"     ")
_COLUMNS: Final = 8

Watts = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, order=True)
class Appliance:
    kind: int  # place in TYPES
    plug: str


@dataclass(frozen=True, slots=True, eq=False)
class ApplianceDay:
    """``minutes``: mean, maximum and minimum of the watts in each minute of the day, shape (3, 1440); zero where
    nothing was measured."""

    appliance: Appliance
    day: date
    minutes: Watts


def load_tracebase(folder: Path) -> list[ApplianceDay]:
    """All days of the types in ``TYPES`` from ``folder``/<type>/<plug>_<yyyy.mm.dd>.csv, or .csv.gz, by type, plug and
    day. The data set's own folder ``complete`` has the same files with a reading a second, and more types.

    Raises DataMissingError where a type has no file, MalformedError for a file of anything else.
    """
    found = dict[tuple[Appliance, date], ApplianceDay]()
    for kind, name in enumerate(TYPES):
        files = sorted(path for path in (folder / name).glob("*.csv*") if _NAME.fullmatch(path.name))
        if not files:
            raise DataMissingError(
                f"{folder / name}: no file like dev_D33097_2011.12.05.csv; the tracebase data set has them in its"
                " folder complete/, where each type has one"
            )
        for path in files:
            made = _load_day(path, kind)
            found.setdefault((made.appliance, made.day), made)
    return [found[key] for key in sorted(found)]


def _load_day(path: Path, kind: int) -> ApplianceDay:
    named = _NAME.fullmatch(path.name)
    assert named is not None  # it was found by it
    try:
        day = date.fromisoformat(named["day"].replace(".", "-"))
    except ValueError as error:
        raise MalformedError(f"{path}: {named['day']} is no day") from error
    try:
        return ApplianceDay(Appliance(kind, named["plug"]), day, by_minute(_unpacked(path), day))
    except MalformedError as error:
        raise MalformedError(f"{path}: {error.args[0]}") from error


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MAX_DAY_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedError(f"cannot be read: {error}") from error
    if len(data) > MAX_DAY_BYTES:
        raise MalformedError(f"larger than {MAX_DAY_BYTES} bytes")
    return data


def by_minute(text: bytes, day: date) -> Watts:
    """Of lines ``dd/mm/yyyy HH:MM:SS;watts over 1 s;watts over 8 s``: mean, maximum and minimum of every minute.

    Raises MalformedError for other lines, and for readings of another day.
    """
    if not _LINES.fullmatch(text):
        raise MalformedError("not lines of a day, a time and two numbers of watts")
    columns = np.fromstring(text.translate(_SEPARATORS), dtype=np.int64, sep=" ").reshape(-1, _COLUMNS).T
    dates, (hours, minutes, seconds), watts = columns[:3], columns[3:6], columns[6]
    if (dates != np.array([[day.day], [day.month], [day.year]])).any():
        raise MalformedError(f"readings of another day than {day}")
    if hours.max() > 23 or minutes.max() > 59 or seconds.max() > 59:
        raise MalformedError("a time that no clock shows")
    slots = np.full(MINUTES * _SLOTS_OF_A_MINUTE, -1, dtype=np.int64)
    places = ((hours * 60 + minutes) * 60 + seconds) // SLOT_SECONDS
    slots[places[::-1]] = watts[::-1]  # of one slot's readings the first is written last
    return _summarised(_filled(slots))


def _filled(slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Missing slots, which are negative, get the last reading before them unless it is too old."""
    places = np.arange(len(slots))
    last = np.maximum.accumulate(np.where(slots < 0, -1, places))
    recent = (last >= 0) & ((places - last) * SLOT_SECONDS <= MAX_GAP_SECONDS)
    return np.where(recent, slots[last], -1)


def _summarised(slots: npt.NDArray[np.int64]) -> Watts:
    rows = slots.reshape(MINUTES, _SLOTS_OF_A_MINUTE)
    there = rows >= 0
    count = there.sum(axis=1)
    mean = np.where(there, rows, 0).sum(axis=1) / np.maximum(1, count)
    highest = np.maximum(0, rows.max(axis=1))
    lowest = np.where(count > 0, np.where(there, rows, rows.max()).min(axis=1), 0)
    return np.stack([mean, highest, lowest]).astype(np.float32)
