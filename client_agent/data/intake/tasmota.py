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
    usable_topic,
)
from client_agent.data.intake.quantities import instant, measured, parsed_object, text_of
from protocol.errors import MalformedError

_SENSORS: Final = {("tele", "SENSOR"): None, ("stat", "STATUS8"): "StatusSNS", ("stat", "STATUS10"): "StatusSNS"}
_LAST_WILL: Final = {"Online": True, "Offline": False}


def tasmota() -> Convention[None]:
    return Convention("tasmota", ("tele/+/SENSOR", "stat/+/STATUS8", "tele/+/LWT"), None, _read, _device_of)


def _device_of(topic: str) -> str | None:
    parts = topic.split("/")
    if len(parts) != 3 or not parts[1] or (parts[0], parts[2]) not in _SENSORS:
        return None
    return device_named("tasmota", parts[1])


def _read(message: Message, state: None) -> Heard[None]:
    return Heard(_found(message), None)


def _found(message: Message) -> tuple[Finding, ...]:
    parts = message.topic.split("/")
    if not usable_topic(message.topic) or len(parts) != 3 or not parts[1]:
        return refused(Refusal.TOPIC)
    device, place = device_named("tasmota", parts[1]), (parts[0], parts[2])
    try:
        if place == ("tele", "LWT"):
            word = _LAST_WILL.get(text_of(message.payload))
            return refused(Refusal.MALFORMED, device) if word is None else (Availability(device, word),)
        if place not in _SENSORS:
            return refused(Refusal.TOPIC)
        content = parsed_object(message.payload)
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
