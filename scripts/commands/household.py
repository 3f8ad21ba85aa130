"""``hearth household``: readings of a home's own plugs, what they may be used for, and plugs that are played."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from protocol.errors import MalformedError
from protocol.text import shown
from scripts.commands import household_appliances, household_import, household_simulate
from scripts.commands.broker_options import BrokerUrl, CaFile, MqttVersion, PasswordFile, broker_of
from scripts.commands.household_folder import tell_counts
from scripts.commands.options import HOUSEHOLD, Household, ReadyFile
from scripts.commands.outcome import reason

if TYPE_CHECKING:
    from client_agent.data.intake.broker import Collecting
    from client_agent.data.intake.readings import Readings

household = typer.Typer(help="Readings of a home's own plugs, and what they may be used for.", no_args_is_help=True)
household.add_typer(household_appliances.appliances, name="appliances")
household.command(name="import")(household_import.import_files)
household.command(name="simulate")(household_simulate.simulate)
EXAMPLES_SECONDS: Final = 600  # between two looks for new examples


@household.command()
def collect(
    broker: BrokerUrl,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    mqtt: MqttVersion = None,
    household: Household = HOUSEHOLD,
    convention: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=BASE]",
            help="how the plugs talk: tasmota, shelly, shelly1, zigbee2mqtt, statestream, discovery; repeat for each;"
            " without it, all of them",
        ),
    ] = None,
    keep_days: Annotated[int, typer.Option(min=1, max=3650, help="readings that are older are deleted")] = 90,
    max_megabytes: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="of readings; then the oldest are deleted")
    ] = 512,
    replayed: Annotated[
        bool, typer.Option("--replayed", help="the time is what hearth household simulate says: for demonstrations")
    ] = False,
    ready_file: ReadyFile = None,
) -> None:
    """Reads from an MQTT broker what plugs draw, until it is stopped, and makes examples of what its owner allows."""
    from client_agent.data.intake.arrival import Clock, MachineClock, ReplayedClock
    from client_agent.data.intake.broker import Collecting
    from client_agent.data.intake.conventions import NAMES, conventions_of
    from client_agent.data.intake.listening import Listening
    from client_agent.data.intake.plugs import Limits
    from client_agent.data.intake.readings import READINGS, Readings

    try:
        conventions = conventions_of(convention or NAMES)
    except MalformedError as error:
        raise typer.BadParameter(f"--convention {error.args[0]}") from error
    reached = broker_of(broker, password_file, ca_file, mqtt)
    clock: Clock = ReplayedClock() if replayed else MachineClock()
    limits = Limits(keep_days, max_megabytes * 1024 * 1024)
    with Readings(household / READINGS, limits) as readings:

        def tell(line: str) -> None:
            typer.echo(shown(line))

        def ready() -> None:
            if ready_file is not None:
                ready_file.write_text(str(replace(reached, password=None)))

        async def listen() -> None:
            listening = Listening(conventions, readings, tell)
            regularly = _Regularly(readings, household, replayed, tell)
            await _until_stopped(Collecting(reached, listening, clock, tell, regularly), ready)

        tell(f"{reached}: reading into {household / READINGS}; Ctrl-C stops it")
        asyncio.run(listen())
        tell_counts(readings)


class _Regularly:
    """What is done beside listening, by the time that it is."""

    def __init__(self, readings: Readings, household: Path, always: bool, tell: Callable[[str], None]) -> None:
        self._readings, self._household, self._tell = readings, household, tell
        self._pause = 0 if always else EXAMPLES_SECONDS
        self._next = 0
        self._failed = ""

    def __call__(self, now: int) -> None:
        from client_agent.data.intake.examples import write_examples
        from client_agent.data.intake.opening import ReadingsFullError

        if now < self._next:
            return
        self._next = now + self._pause
        try:
            self._readings.tidy(now)
            write_examples(self._readings, self._household, now)
            self._failed = ""
        except (ReadingsFullError, OSError) as error:  # there may be room later, and listening goes on meanwhile
            why = reason(error) if isinstance(error, OSError) else error.args[0]
            if why != self._failed:
                self._tell(f"no new examples: {why}")
            self._failed = why


async def _until_stopped(collecting: Collecting, ready: Callable[[], None]) -> None:
    """SIGINT and SIGTERM are how it ends."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, collecting.stop)
    await collecting.run(ready)
