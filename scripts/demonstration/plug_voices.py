"""How a plug of each convention announces itself and reports: what the intake has to understand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

Said = tuple[str, str, bool]  # topic, payload, whether it is retained


@dataclass(frozen=True, slots=True)
class PlayedPlug:
    """``name``: letters, digits and underscores alone, which every convention takes."""

    name: str
    manufacturer: str = "Hearth"
    model: str = "Played plug"

    @property
    def title(self) -> str:
        return self.name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Voice:
    """``announce``: of all plugs, before anything else. ``report``: power in watts and a counter in watt-hours.
    ``there``: whether a plug can be reached."""

    announce: Callable[[Sequence[PlayedPlug]], list[Said]]
    report: Callable[[PlayedPlug, int, float, float], list[Said]]
    there: Callable[[PlayedPlug, bool], list[Said]]


def _json(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))


def _iso(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _tasmota(one: PlayedPlug, at: int, watts: float, counter: float) -> list[Said]:
    content = {"Total": round(counter / 1000, 3), "Power": watts, "Voltage": 230, "Current": round(watts / 230, 3)}
    time = _iso(at).strftime("%Y-%m-%dT%H:%M:%S")
    return [(f"tele/{one.name}/SENSOR", _json({"Time": time, "ENERGY": content}), False)]


def _tasmota_there(one: PlayedPlug, there: bool) -> list[Said]:
    return [(f"tele/{one.name}/LWT", "Online" if there else "Offline", True)]


def _shelly(one: PlayedPlug, at: int, watts: float, counter: float) -> list[Said]:
    state = {"id": 0, "apower": watts, "aenergy": {"total": round(counter, 3)}}
    notice = {"src": one.name, "dst": f"{one.name}/events", "method": "NotifyStatus"}
    return [(f"{one.name}/events/rpc", _json({**notice, "params": {"ts": float(at), "switch:0": state}}), False)]


def _shelly_there(one: PlayedPlug, there: bool) -> list[Said]:
    return [(f"{one.name}/online", _json(there), True)]


def _shelly_first(one: PlayedPlug, at: int, watts: float, counter: float) -> list[Said]:
    topic = f"shellies/{one.name}/relay/0"
    return [(f"{topic}/power", f"{watts:.2f}", False), (f"{topic}/energy", f"{counter * 60:.0f}", False)]


def _shelly_first_there(one: PlayedPlug, there: bool) -> list[Said]:
    return [(f"shellies/{one.name}/online", _json(there), True)]


def _zigbee(one: PlayedPlug, at: int, watts: float, counter: float) -> list[Said]:
    content = {"power": watts, "energy": round(counter / 1000, 3), "state": "ON", "last_seen": _iso(at).isoformat()}
    return [(f"zigbee2mqtt/home/{one.name}", _json(content), False)]


def _zigbee_listed(plugs: Sequence[PlayedPlug]) -> list[Said]:
    units = {"power": "W", "energy": "kWh"}
    exposes = [{"type": "numeric", "name": name, "property": name, "unit": unit} for name, unit in units.items()]
    listed = [
        {
            "friendly_name": f"home/{one.name}",
            "definition": {"vendor": one.manufacturer, "model": one.model, "exposes": exposes},
        }
        for one in plugs
    ]
    return [("zigbee2mqtt/bridge/devices", _json(listed), True)]


def _zigbee_there(one: PlayedPlug, there: bool) -> list[Said]:
    state = {"state": "online" if there else "offline"}
    return [(f"zigbee2mqtt/home/{one.name}/availability", _json(state), True)]


def _stream(one: PlayedPlug, at: int, watts: float, counter: float) -> list[Said]:
    topic = f"homeassistant/sensor/{one.name.lower()}"
    return [(f"{topic}_power/state", f"{watts:.2f}", True), (f"{topic}_energy/state", f"{counter / 1000:.3f}", True)]


def _stream_units(plugs: Sequence[PlayedPlug]) -> list[Said]:
    return [
        (f"homeassistant/sensor/{one.name.lower()}_{what}/{attribute}", _json(value), True)
        for one in plugs
        for what, unit in (("power", "W"), ("energy", "kWh"))
        for attribute, value in (("unit_of_measurement", unit), ("friendly_name", f"{one.title} {what.title()}"))
    ]


def _stream_there(one: PlayedPlug, there: bool) -> list[Said]:
    topic = f"homeassistant/sensor/{one.name.lower()}"
    return [] if there else [(f"{topic}_{what}/state", "unavailable", True) for what in ("power", "energy")]


def _discovered(one: PlayedPlug, at: int, watts: float, counter: float) -> list[Said]:
    return [(f"home/{one.name}/meter", _json({"watts": watts, "kwh": round(counter / 1000, 3)}), False)]


def _discovery(plugs: Sequence[PlayedPlug]) -> list[Said]:
    said = list[Said]()
    for one in plugs:
        device = {"ids": [one.name], "name": one.title, "mf": one.manufacturer, "mdl": one.model}
        for what, unit, key in (("power", "W", "watts"), ("energy", "kWh", "kwh")):
            config = {
                "~": f"home/{one.name}",
                "name": what.title(),
                "uniq_id": f"{one.name}_{what}",
                "dev_cla": what,
                "stat_t": "~/meter",
                "val_tpl": f"{{{{ value_json.{key} }}}}",
                "unit_of_meas": unit,
                "dev": device,
                "avty_t": "~/there",
                "pl_avail": "yes",
                "pl_not_avail": "no",
            }
            said.append((f"homeassistant/sensor/{one.name}/{what}/config", _json(config), True))
    return said


def _discovered_there(one: PlayedPlug, there: bool) -> list[Said]:
    return [(f"home/{one.name}/there", "yes" if there else "no", True)]


def _nothing(_: Sequence[PlayedPlug]) -> list[Said]:
    return []


VOICES: Final[Mapping[str, Voice]] = {
    "tasmota": Voice(_nothing, _tasmota, _tasmota_there),
    "shelly": Voice(_nothing, _shelly, _shelly_there),
    "shelly1": Voice(_nothing, _shelly_first, _shelly_first_there),
    "zigbee2mqtt": Voice(_zigbee_listed, _zigbee, _zigbee_there),
    "statestream": Voice(_stream_units, _stream, _stream_there),
    "discovery": Voice(_discovery, _discovered, _discovered_there),
}
