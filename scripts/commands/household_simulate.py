"""``hearth household simulate``: plugs that are played through a broker, for demonstrations and tests."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from protocol.text import shown
from scripts.commands.broker_options import BrokerUrl, CaFile, MqttVersion, PasswordFile, broker_of

if TYPE_CHECKING:
    from client_agent.data.intake.broker import Broker
    from scripts.demonstration.played_plugs import Played
    from scripts.demonstration.plug_voices import Voice

MAX_PLUGS: Final = 60
_TOLD_SECONDS: Final = 6 * 3600  # of the played time, between two lines


def simulate(
    broker: BrokerUrl,
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    mqtt: MqttVersion = None,
    plugs: Annotated[int, typer.Option(min=1, max=MAX_PLUGS, help="how many")] = 5,
    days: Annotated[int, typer.Option(min=1, max=60, help="of each")] = 1,
    convention: Annotated[
        str, typer.Option(help="how they talk: tasmota, shelly, shelly1, zigbee2mqtt, statestream, discovery")
    ] = "tasmota",
    speed: Annotated[
        float, typer.Option(min=0, max=1e9, help="played seconds in one second; 0: as fast as the broker takes them")
    ] = 1.0,
    first_day: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="that is played; without it, today at midnight (UTC)")
    ] = None,
    made_up: Annotated[
        bool, typer.Option("--made-up", help="a made-up day, instead of tracebase in HEARTH_DATA_DIR")
    ] = False,
) -> None:
    """Plays days of the tracebase data set as plugs would tell them; hearth household collect --replayed hears them.

    Without HEARTH_DATA_DIR it plays a made-up day, and says so.
    """
    from client_agent.data.intake.arrival import MachineClock
    from scripts.demonstration.plug_voices import VOICES

    if convention not in VOICES:
        raise typer.BadParameter(f"--convention {convention[:40]!r}: {', '.join(VOICES)}")
    day = _first_day(first_day, MachineClock())
    reached = broker_of(broker, password_file, ca_file, mqtt)
    played = _played(plugs, days, made_up)
    count = asyncio.run(_play(reached, played, VOICES[convention], day, speed))
    typer.echo(f"{count:,} messages of {len(played)} plugs; the last are of {_instant(day + days * 24 * 3600)}")


def _first_day(text: str | None, clock: Callable[[], int]) -> int:
    """Seconds since 1970 of its midnight."""
    if text is None:
        return clock() // (24 * 3600) * 24 * 3600
    try:
        day = date.fromisoformat(text)
        if not 2020 <= day.year < 2200:
            raise ValueError("no year of ours")
    except ValueError as error:
        raise typer.BadParameter(f"--first-day {text!r:.60}: a day is like 2026-11-28") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _played(plugs: int, days: int, made_up: bool) -> list[Played]:
    from scripts.demonstration.data_folder import tracebase_folder
    from scripts.demonstration.played_plugs import made_up_plugs, real_plugs

    if made_up or not os.environ.get("HEARTH_DATA_DIR"):
        typer.echo("nothing of this is real: a made-up day; with tracebase in HEARTH_DATA_DIR real ones are played")
        return made_up_plugs(plugs, days)
    played = real_plugs(tracebase_folder(), plugs, days)
    for one in played:
        typer.echo(shown(f"{one.plug.name}: {one.kind}"))
    return played


async def _play(broker: Broker, played: list[Played], voice: Voice, day: int, speed: float) -> int:
    """How many messages it were. Raises BrokerError."""
    import aiomqtt

    from client_agent.data.intake.arrival import REPLAY_CLOCK
    from client_agent.data.intake.broker import BrokerError, connection
    from scripts.demonstration.played_plugs import sayings

    count, begun = 0, time.monotonic()
    try:
        async with connection(broker) as client:
            await client.publish(REPLAY_CLOCK, str(day), qos=1)
            for topic, payload, retained in voice.announce([one.plug for one in played]):
                await client.publish(topic, payload, qos=1, retain=retained)
            for at, said in sayings(played, voice, day):
                if speed and (ahead := (at - day) / speed - (time.monotonic() - begun)) > 0:
                    await asyncio.sleep(ahead)
                await client.publish(REPLAY_CLOCK, str(at), qos=1)
                for topic, payload, retained in said:
                    await client.publish(topic, payload, qos=1, retain=retained)
                count += len(said)
                if (at - day) % _TOLD_SECONDS == 0:
                    typer.echo(f"{_instant(at)}: {count:,} messages")
            await client.publish(REPLAY_CLOCK, str(day + len(played[0].watts) * 10), qos=1)
    except aiomqtt.MqttError as error:
        raise BrokerError(f"{broker}: {error}") from error
    return count


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
