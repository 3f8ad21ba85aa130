"""``hearth household``: readings of a home's own plugs, what they may be used for, and plugs that are played."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from scripts.commands import household_appliances, household_attack, household_import, household_simulate
from scripts.commands.broker_options import (
    KEEP_DAYS,
    MAX_MEGABYTES,
    BrokerUrl,
    CaFile,
    Conventions,
    KeepDays,
    MaxMegabytes,
    MqttVersion,
    PasswordFile,
    Replayed,
    broker_of,
    conventions_asked,
    limits_of,
)
from scripts.commands.collecting import Collector, tell
from scripts.commands.household_folder import tell_counts
from scripts.commands.options import HOUSEHOLD, Household, ReadyFile
from storage.durable_file import write_ready_file

if TYPE_CHECKING:
    from client_agent.data.intake.broker import Collecting

household = typer.Typer(help="Readings of a home's own plugs, and what they may be used for.", no_args_is_help=True)
household.add_typer(household_appliances.appliances, name="appliances")
household.command(name="import")(household_import.import_files)
household.command(name="simulate")(household_simulate.simulate)
household.command(name="attack")(household_attack.attack)


@household.command()
def collect(
    broker: BrokerUrl,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    mqtt: MqttVersion = None,
    household: Household = HOUSEHOLD,
    convention: Conventions = None,
    keep_days: KeepDays = KEEP_DAYS,
    max_megabytes: MaxMegabytes = MAX_MEGABYTES,
    replayed: Replayed = False,
    ready_file: ReadyFile = None,
) -> None:
    """Reads from an MQTT broker what plugs draw, until it is stopped, and makes examples of what its owner allows."""
    from client_agent.data.intake.readings import READINGS, Readings

    conventions = conventions_asked(convention)
    reached = broker_of(broker, password_file, ca_file, mqtt)
    collector = Collector(reached, conventions, replayed, household)
    with Readings(household / READINGS, limits_of(keep_days, max_megabytes)) as readings:

        def ready() -> None:
            if ready_file is not None:
                write_ready_file(ready_file, str(replace(reached, password=None)).encode(), 0o644)

        async def listen() -> None:
            await _until_stopped(collector.collecting(readings), ready)

        tell(f"{reached}: reading into {household / READINGS}; Ctrl-C stops it")
        asyncio.run(listen())
        tell_counts(readings)


async def _until_stopped(collecting: Collecting, ready: Callable[[], None]) -> None:
    """SIGINT and SIGTERM are how it ends."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, collecting.stop)
    await collecting.run(ready)
