"""Days of power that are played through a broker: real ones of tracebase, or a small one that is made up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.intake.history import read_history
from client_agent.data.loader import DataMissingError
from client_agent.data.tracebase import MAX_GAP_SECONDS, TYPES
from scripts.demonstration.plug_voices import PlayedPlug, Said, Voice

SECONDS: Final = 10  # between two reports
REPORTS: Final = 24 * 3600 // SECONDS  # of a day
_DAY: Final = 24 * 3600
_UNREACHED: Final = MAX_GAP_SECONDS // SECONDS + 1  # reports that fail
_NO_LETTER: Final = re.compile(r"\W+", re.ASCII)

Watts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """``watts``: of each report, shape (days x REPORTS,), NaN where nothing is said."""

    plug: PlayedPlug
    kind: str
    watts: Watts


def real_plugs(folder: Path, plugs: int, days: int) -> list[Played]:
    """The first plugs of ``folder``/<type>/, a type after the other and again from the first one, each with its first
    days. Raises DataMissingError for fewer plugs than that."""
    of_types = [days_of_plugs(folder / kind) for kind in TYPES]
    order = [
        (kind, plug, files[plug][:days])
        for place in range(max(map(len, of_types)))
        for kind, files in zip(TYPES, of_types, strict=True)
        for plug in sorted(files)[place : place + 1]
    ]
    if len(order) < plugs:
        raise DataMissingError(f"{folder}: {len(order)} plugs where {plugs} are to be played")
    return [
        Played(PlayedPlug(_name(kind, plug)), kind, np.concatenate([_day(path) for path in files]))
        for kind, plug, files in order[:plugs]
    ]


def days_of_plugs(folder: Path) -> dict[str, list[Path]]:
    """Files of a type's folder by plug, in the order of days."""
    found = dict[str, list[Path]]()
    for path in sorted(folder.glob("*.csv*")):
        found.setdefault(re.sub(r"_\d{4}\.\d\d\.\d\d\.csv.*$", "", path.name), []).append(path)
    return found


def _name(kind: str, plug: str) -> str:
    return f"{_NO_LETTER.sub('_', kind)}_{_NO_LETTER.sub('_', plug)}".lower()


def _day(path: Path) -> Watts:
    (history,) = read_history(path, "tracebase", UTC, "W").histories.values()
    watts = np.full(REPORTS, np.nan)
    for at, value in history.rows.items():
        watts[at % _DAY // SECONDS] = np.nan if value is None else value
    return watts


def made_up_plugs(plugs: int, days: int, seed: int = 1) -> list[Played]:
    """A kettle, a refrigerator, a lamp and so on, as a child would draw them: nothing real is in them."""
    generator = np.random.Generator(np.random.PCG64(seed))
    found = []
    for number in range(plugs):
        kind = TYPES[number % len(TYPES)]
        made = np.concatenate([_made_up(kind, generator) for _ in range(days)])
        found.append(Played(PlayedPlug(f"made_up_{_name(kind, str(number + 1))}"), kind, made))
    return found


# watts while it runs, how many times a day it does, and for how many minutes
_RUNS: Final = {
    "Coffeemaker": (900.0, 4, 8),
    "Dishwasher": (1800.0, 1, 70),
    "Lamp": (11.0, 2, 180),
    "MicrowaveOven": (1200.0, 3, 4),
    "Monitor-TFT": (28.0, 3, 120),
    "Refrigerator": (90.0, 30, 18),
    "Router": (8.0, 1, 1440),
    "TV-LCD": (110.0, 2, 110),
    "Washingmachine": (600.0, 1, 100),
    "WaterKettle": (2100.0, 6, 3),
}


def _made_up(kind: str, generator: np.random.Generator) -> Watts:
    high, times, minutes = _RUNS[kind]
    watts = np.zeros(REPORTS)
    for start in generator.integers(0, REPORTS, times).tolist():
        first = 0 if minutes == 1440 else start
        run = watts[first : first + minutes * 60 // SECONDS]
        run[:] = np.round(high * np.exp(generator.normal(0.0, 0.05, len(run))), 1)
    return watts


def sayings(played: Sequence[Played], voice: Voice, first_day: int) -> Iterator[tuple[int, list[Said]]]:
    """What all plugs say at each second since 1970 at which one of them says something. One that measured nothing for
    longer than the data set takes a reading to hold cannot be reached."""
    counters, silent = [0.0] * len(played), [_UNREACHED] * len(played)
    longest = max(len(one.watts) for one in played)
    for report in range(longest + _UNREACHED):
        at, said = first_day + report * SECONDS, list[Said]()
        for place, one in enumerate(played):
            watts = float(one.watts[report]) if report < len(one.watts) else math.nan
            if math.isnan(watts):
                silent[place] += 1
                said += voice.there(one.plug, False) if silent[place] == _UNREACHED else []
                continue
            said += voice.there(one.plug, True) if silent[place] >= _UNREACHED else []
            silent[place] = 0
            counters[place] += watts * SECONDS / 3600
            said += voice.report(one.plug, at, watts, counters[place])
        if said:
            yield at, said
