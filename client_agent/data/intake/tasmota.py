"""Tasmota's telemetry: ``tele/<topic>/SENSOR`` in JSON, power in W and the counter in kWh."""

from __future__ import annotations

from typing import Any, Final

from client_agent.data.intake.findings import (
    Availability,
    Convention,
    Finding,
    Heard,
    Message,
    Quantity,
    Refusal,
    device_named,
    refused,
)
from client_agent.data.intake.patterns import PREFIX, TOPIC, parse_pattern
from client_agent.data.intake.quantities import instant, measured, parsed_object, text_of
from protocol.errors import MalformedError

_SENSORS: Final = {("tele", "SENSOR"): None, ("stat", "STATUS8"): "StatusSNS", ("stat", "STATUS10"): "StatusSNS"}
_WILL: Final = ("tele", "LWT")
_WORDS: Final = {"Online": True, "Offline": False}
USUAL: Final = f"{PREFIX}/{TOPIC}/"  # Tasmota's FullTopic, unless its owner sets another one


def tasmota(full_topic: str = USUAL) -> Convention[None]:
    """Raises MalformedError for what is no FullTopic."""
    pattern = parse_pattern(full_topic, prefixed=True)
    filters = tuple(pattern.filter(*place) for place in (*_SENSORS, _WILL))

    def device_of(topic: str) -> str | None:
        name, prefix, ending = pattern.split(topic) or ("", "", "")
        return device_named("tasmota", name) if (prefix, ending) in _SENSORS else None

    def read(message: Message, state: None) -> Heard[None]:
        split = pattern.split(message.topic)
        return Heard(refused(Refusal.TOPIC) if split is None else _found(*split, message.payload), None)

    return Convention("tasmota", filters, None, read, device_of)


def _found(name: str, prefix: str, ending: str, payload: bytes) -> tuple[Finding, ...]:
    device, place = device_named("tasmota", name), (prefix, ending)
    try:
        if place == _WILL:
            word = _WORDS.get(text_of(payload))
            return refused(Refusal.MALFORMED, device) if word is None else (Availability(device, word),)
        if place not in _SENSORS:
            return refused(Refusal.TOPIC)
        content = parsed_object(payload)
    except MalformedError:
        return refused(Refusal.MALFORMED, device)
    within = _SENSORS[place]
    return _energy(device, content if within is None else content.get(within))


def _energy(device: str, sensors: Any) -> tuple[Finding, ...]:
    """Sensors of other things, such as temperatures, are nobody's business here."""
    if not isinstance(sensors, dict) or not isinstance(sensors.get("ENERGY"), dict):
        return ()
    energy, moment = sensors["ENERGY"], instant(sensors.get("Time"))
    found: tuple[Finding, ...] = ()
    if "Power" in energy:
        found += measured(device, "", Quantity.POWER, energy["Power"], "W", moment)
    if "Total" in energy:
        found += measured(device, "", Quantity.ENERGY, energy["Total"], "kWh", moment)
    return found
