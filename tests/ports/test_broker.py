"""One suite over brokers: what plugs say is stored, a broker that goes is reached again, nothing else is asked for."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from client_agent.data.intake.broker import BrokerError, connection
from client_agent.data.intake.findings import MAX_PAYLOAD
from tests.ports.brokers import AmqttBroker, Mosquitto, PlayedBroker
from tests.ports.certificates import Certificates
from tests.ports.collected import PACE, Collected, collected, of, sensor

Story = Callable[[Collected], Coroutine[Any, Any, None]]


@pytest.fixture(params=["amqtt", "mosquitto"])
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PlayedBroker]:
    broker: PlayedBroker = AmqttBroker() if request.param == "amqtt" else Mosquitto(tmp_path)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    started = list[Mosquitto]()

    def start(*settings: str) -> Mosquitto:
        started.append(Mosquitto(tmp_path, settings))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def _play(story: Story, broker: Any, folder: Path) -> None:
    async def run() -> None:
        async with collected(broker, folder) as found:
            await story(found)

    asyncio.run(run())


def _version(played: PlayedBroker) -> str | None:
    return "3.1.1" if isinstance(played, AmqttBroker) else None


def _usual(played: PlayedBroker) -> Any:
    """Without the second that amqtt takes to say nothing to a later version."""
    return replace(of(played), version=_version(played))


def _is(asked: Callable[[], Any], expected: float) -> bool:
    return bool(asked() == expected)


def test_what_plugs_say_is_stored(played: PlayedBroker, tmp_path: Path) -> None:
    async def story(found: Collected) -> None:
        await found.publish("tele/plug1/LWT", "Online", retain=True)
        for watts in (61.0, 62.0):
            await found.publish("tele/plug1/SENSOR", sensor(watts, f"2026-11-28T09:00:{watts}"))
        await found.publish("shellies/p/relay/0/power", "7.5", qos=0)
        await found.publish("home/kitchen/kettle/tele/SENSOR", sensor(1900.0))
        await found.publish("home/attic/lamp/status/switch:0", {"apower": 8.5})
        for source, watts in (("tasmota:home/kitchen/kettle", 1900.0), ("shelly:home/attic/lamp/switch:0", 8.5)):
            await found.until(partial(_is, partial(found.watts, source), watts))
        await found.until(lambda: found.watts() == 62.0 and found.watts("shelly1:p/relay:0") == 7.5)
        plug = found.plug("tasmota:plug1")
        assert plug is not None and plug.available is True

    _play(story, _usual(played), tmp_path)


@pytest.mark.parametrize("version", ["5", "3.1.1", None])
def test_versions(played: PlayedBroker, tmp_path: Path, version: str | None) -> None:
    async def story(found: Collected) -> None:
        await found.publish("tele/plug1/SENSOR", sensor(61.0))
        await found.until(lambda: found.watts() == 61.0)

    if version == "5" and isinstance(played, AmqttBroker):

        async def refused() -> None:
            with pytest.raises(aiomqtt.MqttError):
                async with connection(replace(of(played), version="5"), answer=0.5):
                    pass

        asyncio.run(refused())
        return
    _play(story, replace(of(played), version=version), tmp_path)


def test_what_is_retained_describes_and_is_no_reading(played: PlayedBroker, tmp_path: Path) -> None:
    exposes = [{"name": "power", "property": "power", "unit": "W"}]
    listed = [{"friendly_name": "kitchen/washer", "definition": {"vendor": "V", "model": "M", "exposes": exposes}}]

    async def before() -> None:
        async with connection(_usual(played)) as client:
            await client.publish("zigbee2mqtt/bridge/devices", json.dumps(listed), qos=1, retain=True)
            await client.publish("zigbee2mqtt/kitchen/washer", '{"power": 999}', qos=1, retain=True)
            await client.publish("zigbee2mqtt/kitchen/washer/availability", '{"state":"online"}', qos=1, retain=True)

    async def story(found: Collected) -> None:
        await found.until(lambda: found.readings.refused() == {"retained": 1})
        assert found.readings.appliances() == ()
        await found.publish("zigbee2mqtt/kitchen/washer", {"power": 5.5}, retain=True)
        await found.until(lambda: found.watts("zigbee2mqtt:kitchen/washer") == 5.5)
        plug = found.plug("zigbee2mqtt:kitchen/washer")
        assert plug is not None
        assert (plug.name, plug.model, plug.available) == ("kitchen/washer", "M", True)

    asyncio.run(before())
    _play(story, _usual(played), tmp_path)


def test_a_broker_that_comes_back(played: PlayedBroker, tmp_path: Path) -> None:
    async def story(found: Collected) -> None:
        await found.publish("tele/plug1/SENSOR", sensor(61.0))
        await found.until(lambda: found.watts() == 61.0)
        for again in (2, 3):
            await asyncio.to_thread(played.stop)
            await found.until(lambda: found.watts() is None)
            await asyncio.to_thread(played.start)
            await found.until(partial(_is, lambda: found.ready, again))
            await found.publish("tele/plug1/SENSOR", sensor(61.0 + again, f"{again}"))
            await found.until(partial(_is, found.watts, 61.0 + again))
        assert sum("it is asked again until it answers" in line for line in found.told) == 2
        assert sum("answers again" in line for line in found.told) == 2

    _play(story, _usual(played), tmp_path)


def test_nothing_else_is_listened_to(played: PlayedBroker, tmp_path: Path) -> None:
    async def story(found: Collected) -> None:
        for topic in ("home/secret", "tele/plug1/STATE", "zigbee2mqtt/bedroom", "homeassistant/sensor/pulse/state"):
            await found.publish(topic, {"power": 61.0})
        await found.publish("tele/plug1/SENSOR", sensor(61.0))
        await found.until(lambda: found.watts() == 61.0)
        assert (len(found.readings.appliances()), found.readings.refused()) == (1, {})

    _play(story, _usual(played), tmp_path)


def test_hostile_messages_are_counted_and_the_next_one_is_read(played: PlayedBroker, tmp_path: Path) -> None:
    async def story(found: Collected) -> None:
        await found.publish("tele/plug1/SENSOR", b"x" * (MAX_PAYLOAD + 1))
        await found.publish("tele/plug1/SENSOR", b"[" * 60_000)
        await found.publish("tele/plug1/SENSOR", b'{"ENERGY":{"Power":NaN}}')
        await found.publish("tele/plug1/SENSOR", sensor(2.0**32))
        await found.publish("tele/plug1/SENSOR", b"")
        await found.publish("tele/plug1/SENSOR", sensor(61.0))
        await found.until(lambda: found.watts() == 61.0)
        assert found.readings.refused() == {"malformed": 2, "no number": 1, "spike": 1, "too large": 1}

    _play(story, _usual(played), tmp_path)


def test_a_broker_that_is_not_there_yet(tmp_path: Path) -> None:
    played = AmqttBroker()

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(played.start))
            async with collected(replace(of(played), version="3.1.1"), tmp_path) as found:
                await found.publish("tele/plug1/SENSOR", sensor(61.0))
                await found.until(lambda: found.watts() == 61.0)

    try:
        asyncio.run(run())
    finally:
        played.stop()


def _refusal(broker: Any, folder: Path) -> str:
    async def nothing(_: Collected) -> None: ...

    with pytest.raises(BrokerError) as caught:
        _play(nothing, broker, folder)
    return str(caught.value)


def test_passwords(mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    known = tmp_path / "known"
    program = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([program, "-b", "-c", str(known), "anna", "right"], check=True, capture_output=True)
    known.chmod(0o644)
    played = mosquitto("allow_anonymous false", f"password_file {known}")
    anna = replace(of(played, user="anna@"), password="right")

    async def story(found: Collected) -> None:
        async with connection(anna) as client:
            await client.publish("tele/plug1/SENSOR", '{"ENERGY":{"Power":61}}', qos=1)
        await found.until(lambda: found.watts() == 61.0)

    for version in ("5", "3.1.1"):
        _play(story, replace(anna, version=version), tmp_path / version)
        assert "user anna" in _refusal(replace(anna, password="wrong", version=version), tmp_path / version)
        assert "anonymous" in _refusal(replace(of(played), version=version), tmp_path / version)
    assert "right" not in repr(anna)


def test_tls(mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    own, others = Certificates(tmp_path / "own"), Certificates(tmp_path / "others")
    played = mosquitto("allow_anonymous true", f"certfile {own.certificate}", f"keyfile {own.key}")
    broker = replace(of(played, "mqtts"), authorities=own.authority)

    async def story(found: Collected) -> None:
        await found.publish("tele/plug1/SENSOR", sensor(61.0))
        await found.until(lambda: found.watts() == 61.0)

    for version in ("5", "3.1.1"):
        _play(story, replace(broker, version=version), tmp_path / version)
    assert "certificate" in _refusal(replace(broker, authorities=others.authority), tmp_path)
    assert "certificate" in _refusal(replace(broker, authorities=None), tmp_path)
    assert "certificate" in _refusal(replace(broker, host="127.0.0.1"), tmp_path), "it is of localhost"
    assert "no certificates" in _refusal(replace(broker, authorities=own.key), tmp_path)
    assert PACE.answer == 1.0


def test_a_user_who_may_read_little_reads_that(mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic read tele/+/SENSOR\ntopic write #\n")
    rules.chmod(0o644)
    played = mosquitto("allow_anonymous true", f"acl_file {rules}")

    async def story(found: Collected) -> None:
        await found.publish("tele/plug1/SENSOR", sensor(61.0))
        await found.publish("shellies/p/relay/0/power", "7.5")
        await found.until(lambda: found.watts() == 61.0)
        assert len(found.readings.appliances()) == 1

    _play(story, of(played), tmp_path)
