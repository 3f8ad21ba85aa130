"""``hearth household appliances``: which plug is which appliance, and what its readings may be used for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.text import shown
from scripts.commands.household_folder import open_readings, tell_counts
from scripts.commands.options import HOUSEHOLD, Household

if TYPE_CHECKING:
    from client_agent.data.intake.plugs import Plug, Purpose
    from client_agent.data.intake.readings import Readings

appliances = typer.Typer(help="Which plug is which appliance, and what it may be used for.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(min=1, help="of the plug, as hearth household appliances list shows it")]
PURPOSES = "type-60, type-240 (its type, from an hour or four of power), next-hour (its power in the next hour)"


@appliances.command(name="list")
def list_plugs(household: Household = HOUSEHOLD) -> None:
    """All plugs that were ever heard, and what is allowed."""
    from client_agent.data.intake.plugs import Purpose

    with open_readings(household) as readings:
        for plug in readings.appliances():
            typer.echo(shown(_line(plug)))
        counts = ", ".join(f"{one.value} {readings.examples(one):,}" for one in Purpose)
        typer.echo(f"examples: {counts}; {readings.bytes_stored():,} bytes of readings")
        tell_counts(readings)


@appliances.command()
def assign(
    plug: Number,
    kind: Annotated[str, typer.Option(help="Coffeemaker, Dishwasher, Lamp and so on; a wrong one lists all")],
    brand: Annotated[str, typer.Option(help="of the appliance")] = "",
    purpose: Annotated[list[str] | None, typer.Option(help=f"switched on; repeat for each: {PURPOSES}")] = None,
    correct: Annotated[
        bool, typer.Option("--correct", help="it was this all the time; else another kind counts from now on")
    ] = False,
    household: Household = HOUSEHOLD,
) -> None:
    """Says which appliance a plug measures. Purposes that are not named are off."""
    from client_agent.data.intake.arrival import MachineClock

    with open_readings(household) as readings:
        purposes = {_purpose(one) for one in purpose or ()}
        readings.assign(plug, kind, brand, purposes, MachineClock()(), correct)
        _followed(readings, household, plug)


@appliances.command()
def switch(
    plug: Number,
    purpose: Annotated[str, typer.Argument(help=PURPOSES)],
    off: Annotated[bool, typer.Option("--off", help="off instead of on")] = False,
    household: Household = HOUSEHOLD,
) -> None:
    """Allows one purpose for one appliance, or with --off no longer."""
    with open_readings(household) as readings:
        readings.switch(plug, _purpose(purpose), not off)
        _followed(readings, household, plug)


@appliances.command()
def forget(
    plug: Annotated[int | None, typer.Argument(min=1, help="its number; none with --all")] = None,
    every: Annotated[bool, typer.Option("--all", help="all that is stored of all plugs, and every switch")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="without being asked")] = False,
    household: Household = HOUSEHOLD,
) -> None:
    """Deletes a plug's readings and examples from this machine, or with --all those of every plug.

    What was sent before cannot be taken back, and the privacy that it cost stays in the ledger.
    """
    from client_agent.data.intake.arrival import MachineClock
    from client_agent.data.intake.examples import write_examples

    if every == (plug is not None):
        raise typer.BadParameter("name one plug, or --all")
    with open_readings(household) as readings:
        if plug is not None:
            readings.forget(plug)
        else:
            if not yes:
                count = len(readings.appliances())
                typer.confirm(f"delete all readings, examples and switches of {count} plugs?", abort=True)
            readings.forget_everything()
        write_examples(readings, household, MachineClock()())
    typer.echo(f"{'all plugs' if plug is None else f'plug {plug}'}: readings and examples are deleted")


def _followed(readings: Readings, household: Path, plug: int) -> None:
    """The files of examples follow at once."""
    from client_agent.data.intake.arrival import MachineClock
    from client_agent.data.intake.examples import write_examples

    write_examples(readings, household, MachineClock()())
    typer.echo(shown(next(_line(one) for one in readings.appliances() if one.number == plug)))


def _purpose(text: str) -> Purpose:
    from client_agent.data.intake.plugs import Purpose

    if text not in {one.value for one in Purpose}:
        raise typer.BadParameter(f"{text[:40]!r} is no purpose: {', '.join(Purpose)}")
    return Purpose(text)


def _line(plug: Plug) -> str:
    about = " ".join(one for one in (plug.manufacturer, plug.model) if one)
    name = f"{plug.number} {plug.name}" + (f" ({about})" if about else "")
    if plug.name != plug.source:
        name += f" [{plug.source}]"
    now = "nothing known now" if plug.watts is None else f"{plug.watts:.1f} W"
    if plug.kind is None:
        what = "not assigned" + (f"; perhaps {plug.suggested_kind}" if plug.suggested_kind else "")
    else:
        what = f"{plug.brand} {plug.kind}".strip() + ": " + (", ".join(sorted(plug.purposes)) or "all off")
    same = "" if plug.same_as is None else f"; measures the same as {plug.same_as} and makes no examples"
    return f"{name}: {now}; {what}{same}"
