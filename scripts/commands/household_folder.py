"""The readings in a household's folder, for commands that look at them or change them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from protocol.errors import MalformedError

if TYPE_CHECKING:
    from client_agent.data.intake.readings import Readings


def open_readings(household: Path) -> Readings:
    """Those that are there. Raises MalformedError where nothing was ever collected."""
    from client_agent.data.intake.readings import READINGS, Readings

    path = household / READINGS
    if not path.exists():
        raise MalformedError(f"{path}: no readings yet; hearth household collect or hearth household import makes them")
    return Readings(path)


def tell_counts(readings: Readings) -> None:
    """What was not used as it came."""
    counts = readings.refused()
    if counts:
        typer.echo("not used as it came: " + ", ".join(f"{why} {count:,}" for why, count in counts.items()))
