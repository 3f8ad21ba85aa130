"""``hearth household import``: readings of files, from before or from elsewhere."""

from __future__ import annotations

from datetime import date, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from protocol.errors import MalformedError
from protocol.text import shown
from scripts.commands.options import HOUSEHOLD, Household
from scripts.commands.outcome import reason

if TYPE_CHECKING:
    from client_agent.data.intake.history import History
    from client_agent.data.intake.readings import Readings

_DAY: Final = 24 * 3600


def import_files(
    file: Annotated[list[Path], typer.Argument(dir_okay=False, help="Home Assistant export, table, day of tracebase")],
    household: Household = HOUSEHOLD,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="home-assistant, table or tracebase; else it is recognised"),
    ] = None,
    zone: Annotated[str, typer.Option(metavar="ZONE", help="of times that name none, such as Europe/Berlin")] = "UTC",
    unit: Annotated[str, typer.Option(help="of power that names none: W, kW, mW")] = "W",
    ending: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="move each file by whole days, so that its last day is this one"),
    ] = None,
) -> None:
    """Stores the power of appliances that files tell of, and says what could not be used."""
    from client_agent.data.intake.arrival import MachineClock
    from client_agent.data.intake.examples import write_examples
    from client_agent.data.intake.history import read_history
    from client_agent.data.intake.readings import READINGS, Readings

    known, last, now = _zone(zone), _day(ending), MachineClock()()
    read = []
    for path in file:
        try:
            read.append((path, read_history(path, form, known, unit)))
        except OSError as error:
            raise MalformedError(f"{path}: {reason(error)}") from error
    with Readings(household / READINGS) as readings:
        for path, found in read:
            for history in found.histories.values():
                typer.echo(shown(f"{path}: {_stored(readings, history, last, now)}"))
            for why, count in sorted(found.refused.items()):
                if count:
                    typer.echo(shown(f"{path}: {count:,} rows not used as they are: {why}"))
        write_examples(readings, household, now)


def _stored(readings: Readings, history: History, last: date | None, now: int) -> str:
    """Stores it. Returns a line about it."""
    rows = history.ordered()
    if not rows:
        return f"{history.about.name}: nothing"
    newest = rows[-2][0]  # the last one is the gap after it
    moved = 0 if last is None else last.toordinal() - date(1970, 1, 1).toordinal() - newest // _DAY
    placed = [(at + moved * _DAY, watts) for at, watts in rows]
    old = readings.add_history(history.about, history.unit, placed, now, history.tells_gaps)
    line = f"{history.about.name}: {sum(watts is not None for _, watts in rows) - old:,} readings"
    return line if not old else f"{line}, {old:,} are older than what is kept or of the future; see --ending"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise typer.BadParameter(f"--zone {name[:60]!r}: no zone that this machine knows") from error


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--ending {text!r:.60}: a day is like 2026-11-28") from error
