"""Readings of a home in the demonstration: what its plugs measured in tracebase, moved so that the last one is now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

from client_agent.data.intake.examples import write_examples
from client_agent.data.intake.findings import Description, device_named
from client_agent.data.intake.history import read_history
from client_agent.data.intake.holding import Row
from client_agent.data.intake.plugs import Purpose
from client_agent.data.intake.readings import READINGS, Readings
from client_agent.data.loader import DataMissingError
from client_agent.data.tracebase import TYPES, Appliance
from scripts.demonstration.played_plugs import days_of_plugs

DAYS: Final = 14  # of each plug, its last ones
_DAY: Final = 24 * 3600
_BEFORE_PLUG: Final = re.compile(r"(?:dev(?:ice)?)?_?")  # in the name of a file


def write_readings(
    folder: Path, household: Path, known: Sequence[Appliance], unknown: Sequence[Appliance], purpose: Purpose, now: int
) -> int:
    """Into the ``household``'s folder, from ``folder``/<type>/. Its owner said which appliances the ``known`` ones are
    and switched ``purpose`` on for them, and said nothing of the ``unknown`` ones.

    Returns how many examples there are. Raises DataMissingError where there is none.
    """
    with Readings(household / READINGS) as readings:
        for number, appliance in enumerate((*known, *unknown), start=1):
            name = f"Plug {number}"  # that tells nothing of what is in it
            readings.add_history(
                Description(device_named("import", name), name), "W", _rows(folder, appliance, now), now
            )
        for plug, appliance in zip(readings.appliances(), known, strict=False):
            readings.assign(plug.number, TYPES[appliance.kind], "", {purpose}, now)
        examples = write_examples(readings, household, now)[purpose]
    if not examples:
        raise DataMissingError(f"{folder}: no example in the last {DAYS} days of {len(known)} plugs")
    return examples


def _rows(folder: Path, appliance: Appliance, now: int) -> list[Row]:
    """A day after the other, whatever was between them."""
    of_type = days_of_plugs(folder / TYPES[appliance.kind])
    days = [
        path
        for name, paths in of_type.items()
        if _BEFORE_PLUG.sub("", name, count=1) == appliance.plug
        for path in paths
    ]
    rows = list[Row]()
    for number, path in enumerate(sorted(days, key=_day_of)[-DAYS:]):
        (history,) = read_history(path, "tracebase", UTC, "W").histories.values()
        rows += [(number * _DAY + at % _DAY, watts) for at, watts in history.ordered()[:-1]]
    later = now - rows[-1][0]
    return [(at + later, watts) for at, watts in rows]


def _day_of(path: Path) -> str:
    return path.name.partition(".csv")[0][-len("2011.12.05") :]
