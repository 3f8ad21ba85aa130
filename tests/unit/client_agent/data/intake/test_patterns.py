"""Plugs whose owners chose the levels of their topics are found by what the owner names, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_agent.data.intake.conventions import conventions_of
from client_agent.data.intake.findings import AnyConvention, Availability, Message
from client_agent.data.intake.listening import matches
from client_agent.data.intake.patterns import MAX_LEVELS, parse_pattern
from protocol.errors import MalformedError
from tests.unit.client_agent.data.intake.scene_plugs import heard, message, readings_in, reasons_in

SENSOR = {"Time": "2026-11-28T09:00:00", "ENERGY": {"Power": 61}}


def _of(name: str) -> AnyConvention:
    (convention,) = conventions_of([name])
    return convention


@pytest.mark.parametrize(
    ("full_topic", "sensor", "last_will", "device"),
    [
        ("%prefix%/%topic%/", "tele/washer/SENSOR", "tele/washer/LWT", "washer"),
        ("%topic%/%prefix%/", "washer/tele/SENSOR", "washer/tele/LWT", "washer"),
        ("home/kitchen/%topic%/%prefix%/", "home/kitchen/a/tele/SENSOR", "home/kitchen/a/tele/LWT", "home/kitchen/a"),
        ("%prefix%/house/%topic%/", "tele/house/a/SENSOR", "tele/house/a/LWT", "house/a"),
        ("%prefix%/+/%topic%", "tele/attic/a/SENSOR", "tele/attic/a/LWT", "attic/a"),
        ("home/%prefix%/attic/a", "home/tele/attic/a/SENSOR", "home/tele/attic/a/LWT", "home/attic/a"),
    ],
)
def test_tasmotas_full_topic(full_topic: str, sensor: str, last_will: str, device: str) -> None:
    convention = _of(f"tasmota={full_topic}")
    found = heard(convention, [message(sensor, SENSOR), message(last_will, "Offline", True)])
    assert readings_in(found) == [(f"tasmota:{device}", "", "power", 61.0, "W")]
    assert found[1] == Availability(f"tasmota:{device}", False)
    assert convention.device_of(sensor) == f"tasmota:{device}" and convention.device_of(last_will) is None
    for topic in (sensor, last_will):
        assert sum(matches(one, topic) for one in convention.filters) == 1


@pytest.mark.parametrize(
    ("prefix", "topic", "device"),
    [
        ("home/kitchen/washer", "home/kitchen/washer", "home/kitchen/washer"),
        ("home/+/+", "home/kitchen/washer", "home/kitchen/washer"),
        ("+", "shellyplugsg3-aabbcc", "shellyplugsg3-aabbcc"),
    ],
)
def test_shellys_prefix(prefix: str, topic: str, device: str) -> None:
    convention = _of(f"shelly={prefix}")
    notice = {"method": "NotifyStatus", "params": {"ts": 1795857600.04, "switch:0": {"id": 0, "apower": 8.2}}}
    topics = (f"{topic}/status/switch:0", f"{topic}/events/rpc", f"{topic}/online")
    said = ({"id": 0, "apower": 61.2, "aenergy": {"total": 5.0}}, notice, "true")
    found = heard(convention, [message(*one) for one in zip(topics, said, strict=True)])
    assert [(reading[0], reading[3]) for reading in readings_in(found)] == [
        *((f"shelly:{device}", 61.2), (f"shelly:{device}", 5.0)),
        *((f"shelly:{device}", 8.2), (f"shelly:{device}", 5.0)),
    ], "a partial state is laid over the whole one of the same plug"
    assert found[-1] == Availability(f"shelly:{device}", True)
    for one in topics:
        assert sum(matches(pattern, one) for pattern in convention.filters) == 1
    assert convention.device_of(topics[0]) == convention.device_of(topics[1]) == f"shelly:{device}"


def test_two_rooms_have_plugs_of_the_same_name() -> None:
    conventions = conventions_of(["tasmota=kitchen/%topic%/%prefix%", "tasmota=attic/%topic%/%prefix%", "tasmota"])
    devices = {one.device_of(f"{room}/plug/tele/SENSOR") for one in conventions for room in ("kitchen", "attic")}
    assert devices == {"tasmota:kitchen/plug", "tasmota:attic/plug", None}
    assert len(conventions_of(["tasmota", "tasmota", "tasmota=%prefix%/%topic%/"])) == 1, "the same one is one"


@pytest.mark.parametrize(
    "name",
    [
        *("tasmota=", "tasmota=base", "tasmota=%topic%", "tasmota=%prefix%/%prefix%/%topic%", "tasmota=%prefix%//a"),
        *("tasmota=%prefix%/#", "tasmota=%prefix%/a+", "tasmota=%prefix%/x_%topic%", "tasmota=%prefix%/%hostname%"),
        *("shelly=", "shelly=a/#", "shelly=/a", "shelly=%prefix%", "shelly=$SYS", "shelly=a\x1b[31m"),
        *(f"shelly={'a/' * MAX_LEVELS}a", f"shelly={'a' * 101}"),
    ],
)
def test_what_is_no_base_of_topics(name: str) -> None:
    with pytest.raises(MalformedError):
        conventions_of([name])


@pytest.mark.parametrize(
    "topic",
    [
        *("home/kitchen/tele/SENSOR", "home/kitchen//tele/SENSOR", "home/attic/a/tele/SENSOR", "home/kitchen/a/tele"),
        *("home/kitchen/a/b/tele/SENSOR", "home/kitchen/a\x1b/tele/SENSOR", "home/kitchen/a/cmnd/SENSOR"),
        *(f"home/kitchen/{'a' * 300}/tele/SENSOR", "home/kitchen/a/tele/SENSOR/x", "$home/kitchen/a/tele/SENSOR"),
    ],
)
def test_other_topics_are_of_no_plug(topic: str) -> None:
    convention = _of("tasmota=home/kitchen/%topic%/%prefix%/")
    assert reasons_in(heard(convention, [message(topic, SENSOR)])) == ["topic"]
    assert convention.device_of(topic) is None


PARTS = st.one_of(st.sampled_from(["home", "tele", "status", "events", "rpc", "SENSOR", "+", "#", ""]), st.text())


@given(st.lists(PARTS, max_size=9).map("/".join), st.sampled_from([SENSOR, {"apower": 1}, 7]), st.booleans())
def test_no_topic_makes_an_adapter_raise(topic: str, content: Any, retained: bool) -> None:
    for name in ("tasmota=home/+/%prefix%/%topic%", "shelly=home/+/+"):
        convention = _of(name)
        found = convention.read(Message(topic, message("", content).payload, retained), convention.start).findings
        device = convention.device_of(topic)
        assert device is not None or not readings_in(found)


def test_a_pattern_names_every_level_but_the_prefix() -> None:
    pattern = parse_pattern("a/%prefix%/+", prefixed=True)
    assert pattern.split("a/tele/b/c/d") == ("a/b", "tele", "c/d")
    assert pattern.split("a/tele/b") is None, "nothing follows"
