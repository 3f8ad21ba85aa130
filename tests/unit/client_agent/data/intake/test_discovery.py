"""Home Assistant's discovery: two forms of templates are parsed, nothing is evaluated, one plug is one plug."""

from __future__ import annotations

from typing import Any

import pytest

from client_agent.data.intake.conventions import conventions_of
from client_agent.data.intake.discovery import discovery, path_of
from client_agent.data.intake.findings import AnyConvention, Availability, Description, Message, Wanted
from tests.unit.client_agent.data.intake.scene_plugs import heard, message, readings_in, reasons_in

DEVICE = {"ids": ["plug1"], "name": "Washer", "mf": "Maker", "mdl": "M1"}
SHORT: dict[str, Any] = {
    "name": "Power",
    "uniq_id": "plug1_power",
    "stat_t": "tele/plug1/SENSOR",
    "val_tpl": "{{ value_json.ENERGY.Power }}",
    "unit_of_meas": "W",
    "dev_cla": "power",
    "stat_cla": "measurement",
    "avty_t": "tele/plug1/LWT",
    "pl_avail": "Online",
    "pl_not_avail": "Offline",
    "dev": DEVICE,
}
LONG: dict[str, Any] = {
    "name": "Power",
    "unique_id": "plug1_power",
    "state_topic": "tele/plug1/SENSOR",
    "value_template": "{{ value_json['ENERGY']['Power'] }}",
    "unit_of_measurement": "W",
    "device_class": "power",
    "availability_topic": "tele/plug1/LWT",
    "payload_available": "Online",
    "payload_not_available": "Offline",
    "device": {"identifiers": ["plug1"], "name": "Washer", "manufacturer": "Maker", "model": "M1"},
}
SENSOR = message("tele/plug1/SENSOR", {"Time": "2026-11-28T09:00:00", "ENERGY": {"Power": 61}})


def _announced(config: Any, topic: str = "homeassistant/sensor/plug1/power/config") -> Message:
    return message(topic, config, True)


@pytest.mark.parametrize("config", [SHORT, LONG, {**SHORT, "~": "tele/plug1", "stat_t": "~/SENSOR", "avty_t": "~/LWT"}])
def test_short_and_long_names_say_the_same(config: Any) -> None:
    found = heard(discovery(), [_announced(config), SENSOR, message("tele/plug1/LWT", "Offline", True)])
    assert found[0] == Description("discovery:plug1", "Washer", "Maker", "M1")
    assert found[1] == Wanted(("tele/plug1/LWT", "tele/plug1/SENSOR"))
    assert readings_in(found) == [("discovery:plug1", "", "power", 61.0, "W")]
    assert found[-1] == Availability("discovery:plug1", False)


def test_power_and_energy_of_a_device_are_one_plug() -> None:
    energy = {**SHORT, "uniq_id": "plug1_energy", "val_tpl": "{{ value_json.ENERGY.Total }}", "unit_of_meas": "kWh"}
    del energy["dev_cla"]
    reading = message("tele/plug1/SENSOR", {"ENERGY": {"Power": 61, "Total": 2.5}})
    found = heard(discovery(), [_announced(SHORT), _announced(energy, "homeassistant/sensor/plug1_e/config"), reading])
    assert readings_in(found) == [
        ("discovery:plug1", "", "power", 61.0, "W"),
        ("discovery:plug1", "", "energy", 2500.0, "kWh"),
    ]


def test_a_device_in_one_message() -> None:
    config = {
        "dev": DEVICE,
        "o": {"name": "bridge"},
        "cmps": {
            "left": {"p": "sensor", "uniq_id": "plug1_left_power", "stat_t": "p/left", "unit_of_meas": "W"},
            "right": {"p": "sensor", "uniq_id": "plug1_right_power", "stat_t": "p/right", "unit_of_meas": "kW"},
            "button": {"p": "button", "uniq_id": "plug1_restart"},
        },
    }
    found = heard(
        discovery(),
        [_announced(config, "homeassistant/device/plug1/config"), message("p/left", "5"), message("p/right", "0.5")],
    )
    assert readings_in(found) == [
        ("discovery:plug1", "plug1_left", "power", 5.0, "W"),
        ("discovery:plug1", "plug1_right", "power", 500.0, "kW"),
    ]


def test_an_empty_message_takes_the_announcement_back() -> None:
    assert readings_in(heard(discovery(), [_announced(SHORT), _announced(b""), SENSOR])) == []


def _all() -> tuple[AnyConvention, ...]:
    return conventions_of(["tasmota", "zigbee2mqtt", "discovery"])


def test_two_integrations_of_one_plug_are_one() -> None:
    """Its own convention reads it, discovery describes it."""
    found = heard(_all()[-1], [_announced(SHORT), SENSOR])
    assert found == [Description("tasmota:plug1", "Washer", "Maker", "M1")]
    named = {**SHORT, "stat_t": "zigbee2mqtt/kitchen/washer", "val_tpl": "{{ value_json.power }}"}
    assert heard(_all()[-1], [_announced(named)]) == [
        Description("zigbee2mqtt:kitchen/washer", "Washer", "Maker", "M1")
    ]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        (None, ()),
        ("{{ value }}", ()),
        ("{{value_json.power}}", ("power",)),
        ("{{ value_json.ENERGY.Power }}", ("ENERGY", "Power")),
        ("{{ value_json['ENERGY'][\"Power\"] }}", ("ENERGY", "Power")),
        ("{{- value_json.a['b c'] -}}", ("a", "b c")),
    ],
)
def test_templates_that_are_parsed(template: str | None, path: tuple[str, ...]) -> None:
    assert path_of(template) == path


@pytest.mark.parametrize(
    "template",
    [
        *(
            "{{ value_json.power | float }}",
            "{{ value_json.a if value else 0 }}",
            "{% set x = 1 %}{{ x }}",
            "{{ value_json }}",
        ),
        *("{{ value_json.__class__.__mro__() }}", "{{ self }}", "", "value", "{{ value_json." + "a." * 300 + "b }}", 7),
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    ],
)
def test_templates_that_are_refused(template: object) -> None:
    assert path_of(template) is None
    found = heard(discovery(), [_announced({**SHORT, "val_tpl": template}), SENSOR])
    assert (reasons_in(found), readings_in(found)) == (["unknown template"], [])


def test_a_path_that_looks_like_code_is_a_key_that_is_not_there() -> None:
    found = heard(discovery(), [_announced({**SHORT, "val_tpl": "{{ value_json.__class__.__init__ }}"}), SENSOR])
    assert (reasons_in(found), readings_in(found)) == (["malformed"], [])


@pytest.mark.parametrize("topic", ["#", "a/+/b", "$SYS/broker", "a\x00b", "", None, 3, "~"])
def test_a_topic_that_nobody_subscribes_to(topic: object) -> None:
    found = heard(discovery(), [_announced({**SHORT, "stat_t": topic})])
    if topic == "~":
        assert [one.topics for one in found if isinstance(one, Wanted)] == [("tele/plug1/LWT", "~")]
    else:
        assert reasons_in(found) == ["topic"]
        assert not [one for one in found if isinstance(one, Wanted)]


def test_what_measures_something_else_is_left_alone() -> None:
    for other in ({"unit_of_meas": "°C"}, {"dev_cla": "temperature"}, {"unit_of_meas": None}):
        assert heard(discovery(), [_announced({**SHORT, **other})]) == []


def test_hostile_names_are_cleaned() -> None:
    device = {"ids": ["pl\u202eug"], "name": "Wa\x1b[31msher\nx", "mf": 7, "mdl": "m" * 500}
    (described, _) = heard(discovery(), [_announced({**SHORT, "dev": device})])
    assert isinstance(described, Description)
    assert described.device == "discovery:pl[U+202E]ug"
    assert described.name == "Wa[U+001B][31msher[U+000A]x"
    assert (described.manufacturer, len(described.model)) == ("", 64)
