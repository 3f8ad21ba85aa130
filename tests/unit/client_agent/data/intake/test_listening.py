"""Between a broker and the readings: whose a message is, what is bounded, and a disk without room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import aiomqtt
import numpy as np
import pytest

from client_agent.data.intake.arrival import REPLAY_CLOCK, ReplayedClock
from client_agent.data.intake.broker import Queue, parse_broker
from client_agent.data.intake.conventions import NAMES, conventions_of
from client_agent.data.intake.findings import MAX_LISTING, MAX_PAYLOAD, Message
from client_agent.data.intake.listening import MAX_WAITING, MAX_WANTED, Listening, matches
from client_agent.data.intake.opening import ReadingsFullError
from client_agent.data.intake.plugs import Limits
from client_agent.data.intake.readings import READINGS, Readings
from protocol.errors import MalformedError
from tests.unit.client_agent.data.intake.scene_plugs import DAY, HOUR, NOW, message


@pytest.fixture
def readings(tmp_path: Path) -> Iterator[Readings]:
    with Readings(tmp_path / READINGS, Limits(keep_days=1)) as found:
        yield found


@pytest.fixture
def listening(readings: Readings) -> Listening:
    return _listening(readings, [])


def _listening(readings: Readings, told: list[str]) -> Listening:
    found = Listening(conventions_of(NAMES), readings, told.append)
    found.connected(NOW)
    return found


def _power(watts: float, device: str = "plug1", retained: bool = False) -> Message:
    return message(f"tele/{device}/SENSOR", {"ENERGY": {"Power": watts}}, retained)


def test_a_retained_reading_is_old(listening: Listening, readings: Readings) -> None:
    listening.hear(message("tele/plug1/LWT", "Online", True), NOW)
    listening.hear(_power(8.0, retained=True), NOW)
    listening.save(NOW)
    assert (readings.appliances(), readings.refused()) == ((), {"retained": 1})
    listening.hear(_power(9.0), NOW)
    listening.save(NOW)
    (plug,) = readings.appliances()
    assert (plug.available, plug.watts) == (True, 9.0)


def test_what_is_asked_for_later_goes_to_whom_asked(listening: Listening, readings: Readings) -> None:
    unit = message("homeassistant/sensor/washer_power/unit_of_measurement", '"W"', True)
    topics = ("homeassistant/sensor/washer_power/state", "homeassistant/sensor/washer_power/friendly_name")
    assert listening.hear(unit, NOW) == topics
    assert listening.hear(unit, NOW) == (), "once"
    listening.hear(message(topics[0], "61.2"), NOW)
    listening.save(NOW)
    assert [plug.source for plug in readings.appliances()] == ["statestream:washer"]
    listening.connected(NOW + 1)
    assert listening.hear(unit, NOW) == topics, "of a new connection again"


def test_what_a_message_may_make_us_ask_for_is_bounded(listening: Listening, readings: Readings) -> None:
    exposes = [{"name": "power", "property": "power", "unit": "W"}]
    asked = 0
    for home in range(3):
        listed = [
            {"friendly_name": f"{home}/{place}", "definition": {"exposes": exposes}} for place in range(MAX_WANTED // 4)
        ]
        asked += len(listening.hear(message("zigbee2mqtt/bridge/devices", listed), NOW))
    assert asked == MAX_WANTED
    listening.save(NOW)
    assert readings.refused()["too many plugs"] > 0


def test_payloads_are_bounded_by_what_they_are(listening: Listening, readings: Readings) -> None:
    assert listening.largest("tele/plug1/SENSOR") == MAX_PAYLOAD
    assert listening.largest("zigbee2mqtt/bridge/devices") == MAX_LISTING
    listening.hear(Message("tele/plug1/SENSOR", b" " * (MAX_PAYLOAD + 1)), NOW)
    listening.hear(Message("tele/pl\x1bug1/SENSOR", b"{}"), NOW)
    listening.hear(Message("home/door", b"open"), NOW)
    listening.save(NOW)
    assert readings.refused() == {"too large": 1, "topic": 1, "not of a plug": 1}


def _room(readings: Readings, pages: int) -> None:
    """As much as a disk has."""
    with readings.database.reading() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")


def test_without_room_what_arrives_is_counted_and_told_once(readings: Readings) -> None:
    told = list[str]()
    listening = _listening(readings, told)
    _room(readings, 30)
    stored, lost = 0, 0
    for second in range(6_000):
        listening.hear(_power(float(second % 2)), NOW + second)
        if second % 500 == 499:
            listening.save(NOW + second)
            stored += 0 if told else 500
            lost += 500 if told else 0
    assert stored > 500 and lost > 500
    (line,) = told
    assert "no room" in line
    expected = [float(second % 2) for second in range(stored)]
    assert readings.series(1, NOW, NOW + stored).watts.tolist() == expected, "nothing that was stored is lost"
    _room(readings, 1000)
    listening.hear(_power(6.0), NOW + 6_000)
    listening.save(NOW + 6_000)
    assert told[1:] == ["there is room again"]
    assert readings.appliances()[0].watts == 6.0
    assert readings.refused() == {"no room": lost}


def test_a_broker_that_comes_back_to_a_full_disk(readings: Readings) -> None:
    told = list[str]()
    listening = _listening(readings, told)
    listening.hear(_power(8.0), NOW)
    listening.save(NOW + 5)
    full = ReadingsFullError("no room")
    with patch.object(readings, "begin", side_effect=full), patch.object(readings, "add", side_effect=full):
        listening.lost(NOW + 10)
        listening.connected(NOW + HOUR)
        listening.hear(_power(7.0), NOW + HOUR)
        listening.save(NOW + HOUR + 5)
    assert told == ["no room: what arrives is lost until there is some"], "nothing dies of it"
    listening.hear(_power(6.0), NOW + 2 * HOUR)
    listening.save(NOW + 2 * HOUR)
    assert (readings.appliances()[0].watts, told[1:]) == (6.0, ["there is room again"])
    minutes = readings.minutes(1, NOW, NOW + 2 * HOUR)
    assert np.isnan(minutes[:, 1:]).all(), "nobody listened, or nothing could be stored"


def test_a_broker_that_was_gone_for_a_day(readings: Readings, listening: Listening) -> None:
    listening.hear(message("tele/plug1/LWT", "Online"), NOW)
    listening.hear(message("tele/plug1/SENSOR", {"ENERGY": {"Power": 60, "Total": 1.0}}), NOW)
    listening.lost(NOW + 600)
    listening.connected(NOW + DAY)
    listening.hear(message("tele/plug1/SENSOR", {"ENERGY": {"Power": 60, "Total": 2.5}}), NOW + DAY + 10)
    listening.save(NOW + DAY + 600)
    minutes = readings.minutes(1, NOW, NOW + DAY + 600)[0]
    assert np.flatnonzero(~np.isnan(minutes)).tolist() == [*range(10), *range(DAY // 60, DAY // 60 + 10)]
    assert readings.energy(1, NOW, NOW + 2 * DAY) == 1500.0, "which the plug's own counter knows"
    assert readings.refused() == {}


def test_without_room_what_is_too_old_makes_some(readings: Readings) -> None:
    told = list[str]()
    listening = _listening(readings, told)
    _room(readings, 30)
    second = NOW
    while not told:
        listening.hear(_power(float(second % 2)), second)
        second += 1
        if second % 500 == 0:
            listening.save(second)
    listening.hear(_power(6.0), second + 3 * DAY)
    listening.save(second + 3 * DAY)
    assert (readings.appliances()[0].watts, told[1:]) == (6.0, ["there is room again"])


def test_a_flood_between_two_savings_is_bounded(
    listening: Listening, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_WAITING == 20_000
    monkeypatch.setattr("client_agent.data.intake.listening.MAX_WAITING", 100)
    for place in range(600):
        listening.hear(_power(float(place % 7)), NOW + place % 2)
    assert listening.waiting <= 101
    listening.save(NOW + 2)
    assert readings.refused()["queue full"] == 500


def test_a_queue_that_is_full_loses_the_oldest_and_counts_it() -> None:
    async def scene() -> tuple[list[int], int]:
        queue = Queue(3)
        for place in range(5):
            queue.put_nowait(aiomqtt.Message("topic", b"", 0, False, place, None))
        return [queue.get_nowait().mid for _ in range(3)], queue.dropped

    assert asyncio.run(scene()) == ([2, 3, 4], 2)


def test_a_replay_brings_its_clock_along() -> None:
    clock = ReplayedClock()
    for payload in (b"", b"tomorrow", b"-1", b"5", b"9" * 30, "\u0661".encode()):
        assert clock.told(Message(REPLAY_CLOCK, payload))
    assert clock.told(Message(REPLAY_CLOCK, str(NOW).encode(), True))
    assert clock() == 0, "none of these is a time of ours"
    assert clock.told(Message(REPLAY_CLOCK, str(NOW).encode()))
    assert not clock.told(_power(8.0))
    assert clock() == NOW


@pytest.mark.parametrize(
    ("pattern", "topic", "is_one"),
    [
        *(("tele/+/SENSOR", "tele/a/SENSOR", True), ("tele/+/SENSOR", "tele/a/b/SENSOR", False)),
        *(("+/status/+", "a/status/switch:0", True), ("+/status/+", "a/events/rpc", False), ("a", "a", True)),
    ],
)
def test_filters(pattern: str, topic: str, is_one: bool) -> None:
    assert matches(pattern, topic) is is_one


def test_addresses_of_brokers() -> None:
    assert str(parse_broker("mqtt://anna@broker.home:1884/")) == "mqtt://broker.home:1884"
    assert parse_broker("mqtt://an%20na@broker.home").user == "an na"
    assert [parse_broker(f"{scheme}://[::1]").port for scheme in ("mqtt", "mqtts")] == [1883, 8883]
    for wrong in (
        "",
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://b:0",
        "mqtt://b:x",
        "mqtt://b/x",
        "mqtt://b?x",
        "mqtt://a b",
    ):
        with pytest.raises(MalformedError):
            parse_broker(wrong)
    with pytest.raises(MalformedError, match="file") as caught:
        parse_broker("mqtt://anna:secret@broker")
    assert "secret" not in str(caught.value)
