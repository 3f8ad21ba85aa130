"""What each family of plugs says, as its own documentation has it, is understood; the rest is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from client_agent.data.intake.conventions import NAMES, conventions_of
from client_agent.data.intake.findings import Availability, Description, Heard, Measurement, Wanted
from client_agent.data.intake.listening import matches
from client_agent.data.intake.shelly import shelly, shelly_first
from client_agent.data.intake.statestream import statestream
from client_agent.data.intake.tasmota import tasmota
from client_agent.data.intake.zigbee2mqtt import zigbee2mqtt
from protocol.errors import MalformedError
from tests.unit.client_agent.data.intake.scene_plugs import heard, message, readings_in, reasons_in

ENERGY: dict[str, Any] = {
    "TotalStartTime": "2026-01-01T00:00:00",
    "Total": 12.345,
    "Yesterday": 0.4,
    "Today": 0.1,
    "Period": 1,
    "Power": 61,
    "ApparentPower": 70,
    "ReactivePower": 34,
    "Factor": 0.87,
    "Voltage": 231,
    "Current": 0.303,
}


def _sensor(**changed: Any) -> Any:
    return message("tele/plug1/SENSOR", {"Time": "2026-11-28T09:00:00", "ENERGY": {**ENERGY, **changed}})


def test_tasmota() -> None:
    assert readings_in(heard(tasmota(), [_sensor()])) == [
        ("tasmota:plug1", "", "power", 61.0, "W"),
        ("tasmota:plug1", "", "energy", 12345.0, "kWh"),
    ]
    for name in ("STATUS8", "STATUS10"):
        status = message(f"stat/plug1/{name}", {"StatusSNS": {"Time": "2026-11-28T09:00:00", "ENERGY": ENERGY}})
        assert readings_in(heard(tasmota(), [status])) == readings_in(heard(tasmota(), [_sensor()]))
        assert any(matches(one, status.topic) for one in tasmota().filters)


def test_tasmota_tells_no_zone_so_its_time_only_names_a_message() -> None:
    (power, _) = heard(tasmota(), [_sensor()])
    assert isinstance(power, Measurement)
    assert (power.at, power.stamp) == (None, "2026-11-28T09:00:00")


def test_tasmotas_phases_are_added_up() -> None:
    assert readings_in(heard(tasmota(), [_sensor(Power=[10, 20.5, 0], Total=[1, 2, 3])])) == [
        ("tasmota:plug1", "", "power", 30.5, "W"),
        ("tasmota:plug1", "", "energy", 6000.0, "kWh"),
    ]
    unknown = heard(tasmota(), [_sensor(Power=[10, None])])
    assert readings_in(unknown)[0][3] is None, "of a phase that says nothing nobody knows the sum"
    assert reasons_in(heard(tasmota(), [_sensor(Power=[1] * 9)])) == ["no number"]


@pytest.mark.parametrize(("word", "there"), [("Online", True), ("Offline", False)])
def test_tasmotas_last_will(word: str, there: bool) -> None:
    assert heard(tasmota(), [message("tele/plug1/LWT", word, True)]) == [Availability("tasmota:plug1", there)]


def test_tasmota_measures_other_things_too() -> None:
    assert heard(tasmota(), [message("tele/plug1/SENSOR", {"Time": "x", "DS18B20": {"Temperature": 20.1}})]) == []


WHOLE = {
    "id": 0,
    "source": "init",
    "output": True,
    "apower": 61.2,
    "voltage": 231.0,
    "current": 0.303,
    "freq": 50.0,
    "aenergy": {"total": 12345.6, "by_minute": [980.1, 1020.0, 1001.3], "minute_ts": 1795857600},
    "temperature": {"tC": 41.0, "tF": 105.8},
}


def _notice(parts: Any, method: str = "NotifyStatus", retained: bool = False) -> Any:
    content = {"src": "shellyplugsg3-aabbcc", "method": method, "params": {"ts": 1795857600.04, **parts}}
    return message("shellyplugsg3-aabbcc/events/rpc", content, retained)


def test_shellys_whole_state() -> None:
    for component in ("switch:0", "pm1:0"):
        found = heard(shelly(), [message(f"plug/status/{component}", WHOLE)])
        assert readings_in(found) == [
            ("shelly:plug", component, "power", 61.2, "W"),
            ("shelly:plug", component, "energy", 12345.6, "Wh"),
        ]


def test_shellys_partial_states_are_laid_over_the_last_whole_one() -> None:
    found = heard(
        shelly(),
        [
            _notice({"switch:0": {"id": 0, "temperature": {"tC": 41.0}}}),
            _notice({"switch:0": WHOLE}, "NotifyFullStatus"),
            _notice({"switch:0": {"id": 0, "apower": 8.2}}),
            _notice({"switch:0": {"id": 0, "aenergy": {"total": 12346.0}}}),
        ],
    )
    assert [reading[2:4] for reading in readings_in(found)] == [
        *(("power", 61.2), ("energy", 12345.6)),  # before it there was nothing to lay the first one over
        *(("power", 8.2), ("energy", 12345.6)),
        *(("power", 8.2), ("energy", 12346.0)),
    ]
    assert all(one.at == 1795857600.04 for one in found if isinstance(one, Measurement))


def test_nothing_is_laid_over_what_a_broker_had_kept() -> None:
    found = heard(shelly(), [_notice({"switch:0": WHOLE}, "NotifyFullStatus", True), _notice({"switch:0": {"id": 0}})])
    assert len(readings_in(found)) == 2, "of the retained message alone, which the collector refuses"


def test_shellys_other_notices_say_nothing_of_power() -> None:
    assert heard(shelly(), [_notice({"events": []}, "NotifyEvent"), message("plug/status/wifi", {"ip": "x"})]) == []
    assert heard(shelly(), [message("plug/online", "false")]) == [Availability("shelly:plug", False)]


def test_shelly_of_the_first_generation_counts_watt_minutes() -> None:
    found = heard(
        shelly_first(),
        [message("shellies/plug/relay/0/power", "61.2"), message("shellies/plug/relay/0/energy", "1234")],
    )
    assert readings_in(found) == [
        ("shelly1:plug", "relay:0", "power", 61.2, "W"),
        ("shelly1:plug", "relay:0", "energy", pytest.approx(1234 / 60), "Wmin"),
    ]
    assert heard(shelly_first(), [message("shellies/plug/online", "true")]) == [Availability("shelly1:plug", True)]


def _listed(name: str, *exposes: Any) -> Any:
    return {"friendly_name": name, "definition": {"vendor": "Maker", "model": "M1", "exposes": list(exposes)}}


POWER = {"type": "numeric", "name": "power", "property": "power", "unit": "W"}
COUNTER = {"type": "numeric", "name": "energy", "property": "energy", "unit": "kWh"}
STATE = {
    "state": "ON",
    "power": 61.2,
    "voltage": 231,
    "current": 0.3,
    "energy": 12.3,
    "linkquality": 120,
    "last_seen": "2026-11-28T09:00:00+00:00",
}


def test_zigbee2mqtt_under_a_name_with_a_slash() -> None:
    listing = message("zigbee2mqtt/bridge/devices", [_listed("kitchen/washer", POWER, COUNTER)], True)
    found = heard(zigbee2mqtt(), [listing, message("zigbee2mqtt/kitchen/washer", STATE)])
    assert found[:2] == [
        Description("zigbee2mqtt:kitchen/washer", "kitchen/washer", "Maker", "M1"),
        Wanted(("zigbee2mqtt/kitchen/washer", "zigbee2mqtt/kitchen/washer/availability")),
    ]
    assert readings_in(found) == [
        ("zigbee2mqtt:kitchen/washer", "", "power", 61.2, "W"),
        ("zigbee2mqtt:kitchen/washer", "", "energy", 12300.0, "kWh"),
    ]
    assert {one.at for one in found if isinstance(one, Measurement)} == {1795856400.0}


def test_zigbee2mqtts_list_says_units_and_outlets() -> None:
    left = {"type": "numeric", "name": "power", "property": "power_left", "unit": "kW", "endpoint": "left"}
    listing = [
        _listed("double", {"type": "switch", "features": [left]}),
        _listed("lamp", {"type": "numeric", "name": "brightness", "property": "brightness"}),
        _listed("odd", {**POWER, "unit": "hp"}),
        {"friendly_name": "Coordinator", "definition": None},
    ]
    found = heard(
        zigbee2mqtt(),
        [
            message("zigbee2mqtt/bridge/devices", listing),
            message("zigbee2mqtt/double", {"power_left": 0.5, "power": 9}),
        ],
    )
    assert readings_in(found) == [("zigbee2mqtt:double", "left", "power", 500.0, "kW")]
    assert [one.topics for one in found if isinstance(one, Wanted)] == [
        ("zigbee2mqtt/double", "zigbee2mqtt/double/availability")
    ], "what measures no power is nobody's business"


@pytest.mark.parametrize("content", ["online", {"state": "online"}])
def test_zigbee2mqtts_availability_of_both_versions(content: Any) -> None:
    found = heard(zigbee2mqtt(), [message("zigbee2mqtt/kitchen/washer/availability", content)])
    assert found == [Availability("zigbee2mqtt:kitchen/washer", True)]


@pytest.mark.parametrize("name", ["#", "a/+", "a\nb", "", "x" * 300])
def test_a_name_that_cannot_be_subscribed_to_is_refused(name: str) -> None:
    found = heard(zigbee2mqtt(), [message("zigbee2mqtt/bridge/devices", [_listed(name, POWER)])])
    assert reasons_in(found) == ["topic"]
    assert [one.topics for one in found if isinstance(one, Wanted)] == [()]


def _stream(name: str, attribute: str, content: Any) -> Any:
    return message(f"home/sensor/{name}/{attribute}", content, True)


def test_statestream_converts_by_the_unit_that_a_topic_tells() -> None:
    convention = statestream("home")
    unit = [_stream("washer_power", "unit_of_measurement", "kW"), _stream("washer_energy", "unit_of_measurement", "Wh")]
    quoted = [message(one.topic, f'"{one.payload.decode()}"') for one in unit]
    found = heard(
        convention,
        [
            *quoted,
            _stream("washer_power", "friendly_name", '"Washer Power"'),
            _stream("washer_power", "state", "0.0612"),
            _stream("washer_energy", "state", "12,5"),
        ],
    )
    assert readings_in(found) == [
        ("statestream:washer", "", "power", pytest.approx(61.2), "kW"),
        ("statestream:washer", "", "energy", 12.5, "Wh"),
    ]
    assert Description("statestream:washer", "Washer") in found
    assert Wanted(("home/sensor/washer_power/state", "home/sensor/washer_power/friendly_name")) in found


def test_statestream_without_a_unit_is_not_guessed() -> None:
    assert reasons_in(heard(statestream("home"), [_stream("washer_power", "state", "61.2")])) == ["unknown unit"]
    temperature = _stream("outside", "unit_of_measurement", '"°C"')
    assert heard(statestream("home"), [temperature]) == [], "its state is not even subscribed to"


@pytest.mark.parametrize("word", ["unknown", "unavailable", "None", ""])
def test_a_state_that_is_unknown_is_a_gap(word: str) -> None:
    found = heard(
        statestream("home"),
        [_stream("washer_power", "unit_of_measurement", '"W"'), _stream("washer_power", "state", word)],
    )
    assert readings_in(found) == [("statestream:washer", "", "power", None, "W")]
    assert reasons_in(found) == ["unknown or unavailable"]


@pytest.mark.parametrize(
    "names",
    [
        *(["mqtt"], ["shelly1=base"], ["statestream="], ["statestream=a/#"], ["discovery=a//b"], ["zigbee2mqtt=a/+"]),
        *(["zigbee2mqtt=a", "zigbee2mqtt=b"], ["discovery", "discovery=b"]),
    ],
)
def test_a_convention_that_nobody_speaks(names: list[str]) -> None:
    with pytest.raises(MalformedError):
        conventions_of(names)


def test_no_convention_asks_for_everything() -> None:
    bases = ("tasmota=+/+/%prefix%", "shelly=+/+/+/+/+/+/+/+")
    filters = [one for convention in conventions_of([*NAMES, *bases]) for one in convention.filters]
    assert not [one for one in filters if "#" in one or one.count("+") == len(one.split("/"))]


def test_adapters_change_nothing_that_they_are_given() -> None:
    convention = shelly()
    first = convention.read(message("plug/status/switch:0", WHOLE), convention.start)
    assert isinstance(first, Heard)
    assert convention.start == {}
    assert convention.read(message("plug/status/switch:0", {"apower": 1}), convention.start).findings != first.findings
