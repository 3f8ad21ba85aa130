"""Whatever a stranger publishes, no adapter raises, and no reading is out of range."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_agent.data.intake.conventions import NAMES, conventions_of
from client_agent.data.intake.findings import (
    MAX_PAYLOAD,
    MAX_SOURCES,
    AnyConvention,
    Availability,
    Description,
    Finding,
    Measurement,
    Message,
    Quantity,
    Refused,
    Wanted,
    usable_topic,
)
from client_agent.data.intake.quantities import MAX_WATT_HOURS, MAX_WATTS
from protocol.text import is_line
from tests.unit.client_agent.data.intake.scene_plugs import heard, message, reasons_in

ALL = conventions_of(NAMES)
WORDS = st.sampled_from(
    "ENERGY Power Total Time StatusSNS params switch:0 apower aenergy total method ts power energy last_seen state"
    " friendly_name definition exposes features name property unit endpoint dev device ids stat_t val_tpl ~ cmps p"
    " unit_of_meas avty avty_t uniq_id NotifyStatus NotifyFullStatus W kW kWh Online online sensor numeric"
    " {{value_json.power}} a/b tele/x/SENSOR #".split()
)
NUMBERS = st.one_of(st.integers(-(10**400), 10**400), st.floats(), st.booleans(), st.none())
VALUES = st.recursive(
    st.one_of(NUMBERS, WORDS, st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=6)),
    max_leaves=25,
)
LEVELS = st.one_of(
    st.sampled_from(
        "tele stat x SENSOR STATUS8 LWT shellies relay 0 power energy status switch:0 events rpc online zigbee2mqtt"
        " bridge devices availability homeassistant sensor state unit_of_measurement friendly_name config".split()
    ),
    st.text(max_size=6),
)
TOPICS = st.lists(LEVELS, min_size=1, max_size=6).map("/".join)
PAYLOADS = st.one_of(VALUES.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200))
MESSAGES = st.lists(st.builds(Message, TOPICS, PAYLOADS, st.booleans()), min_size=1, max_size=4)


def sound(finding: Finding) -> bool:
    """Whether it can be stored and shown as it is."""
    match finding:
        case Measurement(device=device, channel=channel, quantity=quantity, value=value, stamp=stamp):
            most = MAX_WATTS if quantity == Quantity.POWER else MAX_WATT_HOURS
            return (value is None or 0.0 <= value <= most) and all(map(is_line, (device, channel, stamp)))
        case Description():
            return all(map(is_line, (finding.device, finding.name, finding.manufacturer, finding.model)))
        case Availability():
            return is_line(finding.device)
        case Wanted():
            return all(map(usable_topic, finding.topics))
        case Refused():
            return finding.count > 0


@given(MESSAGES)
@example([Message("tele/x/SENSOR", b'{"ENERGY":{"Power":NaN,"Total":Infinity}}')])
@example([Message("tele/x/SENSOR", b'{"Time":"9999-12-31T23:59:59+00:00","ENERGY":{"Power":1e999}}')])
@example([Message("tele/x/SENSOR", b'{"ENERGY":{"Power":' + b"9" * 5000 + b"}}")])
@example([Message("zigbee2mqtt/x", b'{"power":true,"last_seen":1e300}')])
@example([Message("x/events/rpc", b'{"method":"NotifyStatus","params":{"ts":"\\ud800","switch:0":{"apower":1}}}')])
def test_no_adapter_raises_and_nothing_is_out_of_range(messages: list[Message]) -> None:
    for convention in ALL:
        assert all(map(sound, heard(convention, messages)))
        for one in messages:
            convention.device_of(one.topic)


BARE = {"shellies/x/relay/0/power": "shelly1", "zigbee2mqtt/x/availability": "zigbee2mqtt", "tele/x/LWT": "tasmota"}
OBJECTS = {
    "tele/x/SENSOR": "tasmota",
    "x/status/switch:0": "shelly",
    "x/events/rpc": "shelly",
    "zigbee2mqtt/x": "zigbee2mqtt",
    "homeassistant/sensor/x/config": "discovery",
}


def _of(topic: str) -> AnyConvention:
    """The convention that understands a topic."""
    return next(one for one in ALL if one.name == {**BARE, **OBJECTS}[topic])


@pytest.mark.parametrize("topic", OBJECTS)
@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"{", b"[]", b"7", b'"text"', b"\xff\xfe", b"\x00", b"[" * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200),
        b'{"ENERGY":{"Power":1},"apower":1,"power":1}' + b" " * MAX_PAYLOAD,
    ],
    ids=lambda payload: repr(payload[:12]),
)
def test_what_is_no_object_is_refused(topic: str, payload: bytes) -> None:
    found = heard(_of(topic), [message(topic, payload)])
    taken_back = topic.endswith("config") and not payload
    assert reasons_in(found) == ([] if taken_back else ["malformed"])
    assert not [one for one in found if isinstance(one, Measurement)]


@pytest.mark.parametrize("topic", [*BARE, *OBJECTS])
def test_a_topic_with_control_characters_is_not_looked_at(topic: str) -> None:
    for hostile in (topic.replace("x", "x\x1b[31m"), topic.replace("x", "\udcff"), topic.replace("x", "y" * 300)):
        assert {*reasons_in(heard(_of(topic), [Message(hostile, b"1")]))} == {"topic"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        *((b"NaN", "no number"), (b"Infinity", "no number"), (b"-Infinity", "no number"), (b"1e999", "no number")),
        *((b"true", "no number"), (b'"12 W"', "no number"), (b"{}", "no number"), (b"[]", "no number")),
        *((b"9" * 400, "no number"), (b"4294967295", "spike"), (b"-4294967295", "spike"), (b"25000.1", "spike")),
        *((b"null", "unknown or unavailable"), (b"-61", "negative"), (b"-0.4", "negative"), (b"9" * 5000, "malformed")),
    ],
)
def test_numbers_that_no_plug_can_mean(raw: bytes, why: str) -> None:
    found = heard(_of("tele/x/SENSOR"), [message("tele/x/SENSOR", b'{"ENERGY":{"Power":' + raw + b"}}")])
    assert reasons_in(found) == [why]
    values = [one.value for one in found if isinstance(one, Measurement)]
    assert values == {"negative": [None if raw == b"-61" else 0.0], "unknown or unavailable": [None]}.get(why, [])


def _many(count: int) -> dict[str, list[Message]]:
    exposes = [{"name": "power", "property": "power", "unit": "W"}]
    listed = [{"friendly_name": f"n{place}", "definition": {"exposes": exposes}} for place in range(count)]
    config: dict[str, Any] = {"unit_of_meas": "W", "stat_t": "t"}
    return {
        "shelly": [message(f"x{place}/status/switch:0", {"apower": 1}) for place in range(count)],
        "zigbee2mqtt": [message("zigbee2mqtt/bridge/devices", listed)],
        "statestream": [message(f"homeassistant/sensor/s{place}/unit_of_measurement", '"W"') for place in range(count)],
        "discovery": [message(f"homeassistant/sensor/s{place}/config", config) for place in range(count)],
    }


@pytest.mark.parametrize("name", ["shelly", "zigbee2mqtt", "statestream", "discovery"])
def test_what_is_remembered_of_a_flood_is_bounded(name: str) -> None:
    (convention,) = conventions_of([name])
    assert "too many plugs" in reasons_in(heard(convention, _many(MAX_SOURCES + 1)[name]))
    assert "too many plugs" not in reasons_in(heard(convention, _many(MAX_SOURCES)[name]))
