"""Block time for people: how far away, as a date where this machine is, and the number that the chain has."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_UNITS: Final = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))


def instant(seconds: int, now: int) -> str:
    """``now`` in seconds of block time too: the machine's own clock has no part in it."""
    try:
        date = f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M %Z}, "
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        date = ""
    return f"{_distance(seconds - now)} ({date}block time {seconds})"


def _distance(seconds: int) -> str:
    size, unit = next((unit for unit in _UNITS if abs(seconds) >= 2 * unit[0]), _UNITS[-1])
    return f"in {seconds // size} {unit}" if seconds > 0 else f"{-seconds // size} {unit} ago"
