"""Home Assistant's statestream: bare text for each sensor, and its attributes in topics of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from client_agent.data.intake.findings import (
    MAX_SOURCES,
    Convention,
    Description,
    Finding,
    Heard,
    Message,
    Refusal,
    Wanted,
    device_named,
    label,
    refused,
    usable_topic,
)
from client_agent.data.intake.quantities import measured, parsed, quantity_of, text_of
from protocol.errors import MalformedError

Known = Mapping[str, str]  # unit by object

_OBJECT: Final = re.compile(r"[a-z0-9_]{1,120}", re.ASCII)
# a plug has one sensor for power and one for energy, whose names differ by such a word
_QUANTITY_WORDS: Final = re.compile(r"_(?:current_|total_|today_)?(?:power|energy|consumption)(?:_total|_0)?$")


def without_quantity(name: str) -> str:
    """The name of what is measured: ``washer`` of ``washer_power`` and of ``washer_energy``."""
    return _QUANTITY_WORDS.sub("", name) or name


def statestream(base: str = "homeassistant") -> Convention[Known]:
    """Only units are subscribed to at first: they say which sensors are of power or energy."""

    def device_of(topic: str) -> str | None:
        parts = _parts(base, topic)
        return None if parts is None or parts[1] != "state" else device_named("statestream", without_quantity(parts[0]))

    def read(message: Message, known: Known) -> Heard[Known]:
        parts = _parts(base, message.topic)
        if parts is None:
            return Heard(refused(Refusal.TOPIC), known)
        name, what = parts
        device = device_named("statestream", without_quantity(name))
        try:
            if what == "unit_of_measurement":
                return _unit(base, name, message.payload, known)
            if what == "friendly_name":
                return Heard((Description(device, _friendly(parsed(message.payload))),), known)
            if what == "state":
                return Heard(_state(device, text_of(message.payload), known.get(name)), known)
        except MalformedError:
            return Heard(refused(Refusal.MALFORMED, device), known)
        return Heard((), known)

    return Convention("statestream", (f"{base}/sensor/+/unit_of_measurement",), {}, read, device_of)


def _parts(base: str, topic: str) -> tuple[str, str] | None:
    """Object and attribute."""
    rest = topic.removeprefix(f"{base}/sensor/")
    name, _, what = rest.partition("/")
    return (name, what) if rest != topic and usable_topic(topic) and _OBJECT.fullmatch(name) else None


def _unit(base: str, name: str, payload: bytes, known: Known) -> Heard[Known]:
    unit = parsed(payload)
    others = {one: of for one, of in known.items() if one != name}
    if quantity_of(unit) is None:
        return Heard((), others if name in known else known)
    if len(others) >= MAX_SOURCES:
        return Heard(refused(Refusal.TOO_MANY), known)
    wanted = Wanted((f"{base}/sensor/{name}/state", f"{base}/sensor/{name}/friendly_name"))
    return Heard((wanted,), {**others, name: unit})


def _state(device: str, text: str, unit: str | None) -> tuple[Finding, ...]:
    quantity = quantity_of(unit)
    if unit is None or quantity is None:
        return refused(Refusal.UNIT, device)
    return measured(device, "", quantity, text, unit)


def _friendly(name: object) -> str:
    """Without the word that says which of the plug's sensors it is."""
    words = label(name).split(" ")
    return " ".join(words[:-1]) if len(words) > 1 and words[-1].lower() in ("power", "energy") else " ".join(words)
