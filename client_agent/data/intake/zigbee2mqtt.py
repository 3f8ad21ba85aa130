"""Zigbee2MQTT: JSON under names that owners chose, power in W and the counter in kWh unless its list says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from client_agent.data.intake.findings import (
    MAX_LISTING,
    MAX_SOURCES,
    Availability,
    Convention,
    Description,
    Finding,
    Heard,
    Message,
    Quantity,
    Refusal,
    Wanted,
    device_named,
    label,
    refused,
    usable_topic,
)
from client_agent.data.intake.quantities import instant, measured, parsed, parsed_object, quantity_of, text_of
from protocol.errors import MalformedError

# property -> what it measures, its unit, and which of several outlets it is of
Properties = Mapping[str, tuple[Quantity, str, str]]
Known = Mapping[str, Properties]  # by name

_USUAL: Final[Properties] = {"power": (Quantity.POWER, "W", ""), "energy": (Quantity.ENERGY, "kWh", "")}
_WORDS: Final = {"online": True, "offline": False}
_MAX_DEPTH: Final = 4  # of exposed features within each other


def zigbee2mqtt(base: str = "zigbee2mqtt") -> Convention[Known]:
    """Only the list of devices is subscribed to at first; it says which of them measure power."""
    listing = f"{base}/bridge/devices"

    def device_of(topic: str) -> str | None:
        name = topic.removeprefix(f"{base}/")
        other = name == topic or name.startswith("bridge/") or name.endswith(("/availability", "/set", "/get"))
        return None if other or not name else device_named("zigbee2mqtt", name)

    def read(message: Message, known: Known) -> Heard[Known]:
        name = message.topic.removeprefix(f"{base}/")
        if not usable_topic(message.topic) or name == message.topic:
            return Heard(refused(Refusal.TOPIC), known)
        try:
            if message.topic == listing:
                return _listed(base, message.payload)
            if name.endswith("/availability"):
                device = device_named("zigbee2mqtt", name.removesuffix("/availability"))
                return Heard(_availability(device, message.payload), known)
            found = device_of(message.topic)
            if found is None:
                return Heard((), known)
            return Heard(_state(found, message.payload, known.get(name, _USUAL)), known)
        except MalformedError:
            return Heard(refused(Refusal.MALFORMED), known)

    return Convention("zigbee2mqtt", (listing,), {}, read, device_of, lambda topic: topic == listing)


def _listed(base: str, payload: bytes) -> Heard[Known]:
    """A list replaces the one before it."""
    devices = parsed(payload, MAX_LISTING)
    if not isinstance(devices, list):
        raise MalformedError("no list of devices")
    known, found, topics = dict[str, Properties](), list[Finding](), list[str]()
    for one in devices:
        name, definition = (one.get("friendly_name"), one.get("definition")) if isinstance(one, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(definition, dict):
            continue  # the coordinator, or a device that nobody supports
        properties = dict(_measuring(definition.get("exposes"), 0))
        if not properties:
            continue
        if not name or not usable_topic(f"{base}/{name}/availability"):
            found.extend(refused(Refusal.TOPIC))
            continue
        if len(known) >= MAX_SOURCES:
            found.extend(refused(Refusal.TOO_MANY))
            break
        known[name] = properties
        device, maker, model = device_named("zigbee2mqtt", name), definition.get("vendor"), definition.get("model")
        found.append(Description(device, label(name), label(maker), label(model)))
        topics += [f"{base}/{name}", f"{base}/{name}/availability"]
    return Heard((*found, Wanted(tuple(topics))), known)


def _measuring(exposes: Any, depth: int) -> Iterator[tuple[str, tuple[Quantity, str, str]]]:
    for one in exposes if isinstance(exposes, list) and depth < _MAX_DEPTH else ():
        if not isinstance(one, dict):
            continue
        yield from _measuring(one.get("features"), depth + 1)
        name, key, unit, endpoint = (one.get(field) for field in ("name", "property", "unit", "endpoint"))
        if name in ("power", "energy") and isinstance(key, str):
            unit = unit if isinstance(unit, str) else _USUAL[name][1]
            # of a device that names another unit for it nothing is guessed
            if quantity_of(unit) == _USUAL[name][0]:
                yield key, (_USUAL[name][0], unit, label(endpoint))


def _state(device: str, payload: bytes, properties: Properties) -> tuple[Finding, ...]:
    content = parsed_object(payload)
    moment = instant(content.get("last_seen"))
    found: tuple[Finding, ...] = ()
    for key, (quantity, unit, endpoint) in properties.items():
        if key in content:
            found += measured(device, endpoint, quantity, content[key], unit, moment)
    return found


def _availability(device: str, payload: bytes) -> tuple[Finding, ...]:
    """An object since version 2.0, a bare word before."""
    text = text_of(payload)
    word = parsed_object(payload).get("state") if text.startswith("{") else text
    known = _WORDS.get(word) if isinstance(word, str) else None
    return refused(Refusal.MALFORMED, device) if known is None else (Availability(device, known),)
