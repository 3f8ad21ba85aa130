"""Home Assistant's discovery: retained messages that say where sensors publish, and what device they are of.

Value templates are parsed in the two forms that devices use. Nothing that comes from a network is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from client_agent.data.intake.discovery_keys import expanded
from client_agent.data.intake.findings import (
    MAX_SOURCES,
    AnyConvention,
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
from client_agent.data.intake.statestream import without_quantity
from protocol.errors import MalformedError

_TEMPLATE: Final = re.compile(
    r"\{\{-?\s*value(?P<path>_json(?:\.\w{1,64}|\[(?:'[^'\]]{1,64}'|\"[^\"\]]{1,64}\")\])+)?\s*-?\}\}"
)
_STEP: Final = re.compile(r"\.(\w+)|\[['\"]([^'\"]+)['\"]\]")
_MAX_TEMPLATE: Final = 512
_MAX_COMPONENTS: Final = 128  # of one device

Path = tuple[str, ...]  # () is the bare payload


@dataclass(frozen=True, slots=True)
class Source:
    """One value of one topic."""

    topic: str
    path: Path


@dataclass(frozen=True, slots=True)
class Sensor:
    device: str
    channel: str
    quantity: Quantity
    unit: str
    source: Source
    reads: bool  # False where another convention reads this topic
    availability: tuple[tuple[Source, str, str], ...]  # and the words for yes and for no


Known = Mapping[str, tuple[Sensor, ...]]  # by the topic that announced them


def discovery(others: Sequence[AnyConvention] = (), prefix: str = "homeassistant") -> Convention[Known]:
    """``others``: conventions that are listened to as well; a sensor on a topic of theirs is only described."""

    def native(topic: str) -> str | None:
        return next((device for one in others if (device := one.device_of(topic)) is not None), None)

    def read(message: Message, known: Known) -> Heard[Known]:
        if not usable_topic(message.topic):
            return Heard(refused(Refusal.TOPIC), known)
        try:
            if message.topic.startswith(f"{prefix}/") and message.topic.endswith("/config"):
                return _announced(message, known, native)
            return Heard(tuple(_values(message, known)), known)
        except MalformedError:
            return Heard(refused(Refusal.MALFORMED), known)

    filters = (f"{prefix}/sensor/+/config", f"{prefix}/sensor/+/+/config", f"{prefix}/device/+/config")
    return Convention("discovery", filters, {}, read, lambda _: None)


def path_of(template: object) -> Path | None:
    """Of ``{{ value_json.A.B }}``, ``{{ value_json['A']['B'] }}`` or ``{{ value }}``; None for anything else."""
    if template is None:
        return ()
    if not isinstance(template, str) or len(template) > _MAX_TEMPLATE:
        return None
    found = _TEMPLATE.fullmatch(template.strip())
    return None if found is None else tuple(word or quoted for word, quoted in _STEP.findall(found["path"] or ""))


def _announced(message: Message, known: Known, native: Any) -> Heard[Known]:
    """An empty payload takes the announcement back."""
    others = {topic: sensors for topic, sensors in known.items() if topic != message.topic}
    if not message.payload:
        return Heard((), others)
    content = expanded(parsed_object(message.payload))
    found, sensors, descriptions = list[Finding](), list[Sensor](), dict[str, Finding]()
    for name, component in _components(message.topic, content):
        made = _sensor(name, component, native)
        if isinstance(made, Refusal):
            found.extend(refused(made))
        elif made is not None:
            sensors.append(made)
            descriptions[made.device] = _description(made.device, component)
    if len(others) >= MAX_SOURCES:
        return Heard(refused(Refusal.TOO_MANY), known)
    if not sensors:
        return Heard(tuple(found), others)
    topics = {one.source.topic for one in sensors if one.reads}
    topics |= {source.topic for one in sensors if one.reads for source, _, _ in one.availability}
    asked = (Wanted(tuple(sorted(topics))),) if topics else ()
    return Heard((*found, *descriptions.values(), *asked), {**others, message.topic: tuple(sensors)})


def _components(topic: str, content: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A sensor by itself, or all of a device; what stands at the device counts for each."""
    if "components" not in content:
        yield topic.split("/")[-2], content
        return
    components = content.pop("components")
    for name, one in list(components.items())[:_MAX_COMPONENTS] if isinstance(components, dict) else ():
        if isinstance(one, dict) and expanded(one).get("platform") == "sensor":
            yield name, {**content, **expanded(one)}


def _sensor(name: str, config: dict[str, Any], native: Any) -> Sensor | Refusal | None:
    """None for one of something else than power or energy."""
    unit, topic = config.get("unit_of_measurement"), _topic(config, config.get("state_topic"))
    quantity = quantity_of(unit)
    if quantity is None or not isinstance(unit, str) or config.get("device_class") not in (None, quantity.value):
        return None
    path = path_of(config.get("value_template"))
    if topic is None or path is None:
        return Refusal.TOPIC if topic is None else Refusal.TEMPLATE
    other = native(topic)
    if other is not None:
        return Sensor(other, "", quantity, unit, Source(topic, path), False, ())
    unique = label(config.get("unique_id")) or label(name)
    owner = _identity(config) or without_quantity(unique)
    channel = without_quantity(unique)
    channel = "" if channel == owner else channel
    device = device_named("discovery", owner)
    return Sensor(device, channel, quantity, unit, Source(topic, path), True, tuple(_availabilities(config)))


def _topic(config: dict[str, Any], topic: object) -> str | None:
    """``~`` at either end stands for the base topic."""
    base = config.get("~")
    if isinstance(topic, str) and isinstance(base, str):
        topic = base + topic[1:] if topic.startswith("~") else topic
        topic = topic[:-1] + base if topic.endswith("~") else topic
    return topic if isinstance(topic, str) and usable_topic(topic) else None


def _identity(config: dict[str, Any]) -> str:
    device = config.get("device")
    identifiers = expanded(device).get("identifiers") if isinstance(device, dict) else None
    first = identifiers[0] if isinstance(identifiers, list) and identifiers else identifiers
    return label(first)


def _description(device: str, config: dict[str, Any]) -> Description:
    said = config.get("device")
    about = expanded(said) if isinstance(said, dict) else {}
    name = label(about.get("name")) or label(config.get("name"))
    return Description(device, name, label(about.get("manufacturer")), label(about.get("model")))


def _availabilities(config: dict[str, Any]) -> Iterator[tuple[Source, str, str]]:
    several = config.get("availability")
    listed = [expanded(one) for one in several if isinstance(one, dict)] if isinstance(several, list) else []
    if "availability_topic" in config:
        single = {key: config.get(key) for key in ("payload_available", "payload_not_available")}
        template = config.get("availability_template")
        listed.append({"topic": config["availability_topic"], "value_template": template, **single})
    for one in listed[:4]:
        topic, path = _topic(config, one.get("topic")), path_of(one.get("value_template"))
        yes, no = (one.get("payload_available") or "online"), (one.get("payload_not_available") or "offline")
        if topic is not None and path is not None and isinstance(yes, str) and isinstance(no, str):
            yield Source(topic, path), yes, no


def _values(message: Message, known: Known) -> Iterator[Finding]:
    told = set[str]()
    for sensor in (one for sensors in known.values() for one in sensors if one.reads):
        if sensor.source.topic == message.topic:
            value, moment = _value(message.payload, sensor.source.path)
            yield from measured(sensor.device, sensor.channel, sensor.quantity, value, sensor.unit, moment)
        for source, yes, no in sensor.availability:
            if source.topic == message.topic and sensor.device not in told:
                word, _ = _value(message.payload, source.path)
                told.add(sensor.device)
                if word in (yes, no):
                    yield Availability(sensor.device, word == yes)


def _value(payload: bytes, path: Path) -> tuple[Any, Any]:
    """With the time of the object it is in. Raises MalformedError where there is nothing."""
    if not path:
        return text_of(payload), instant(None)
    whole = found = parsed(payload)
    for step in path:
        if not isinstance(found, dict) or step not in found:
            raise MalformedError("nothing there")
        found = found[step]
    time = whole.get("Time", whole.get("last_seen")) if isinstance(whole, dict) else None
    return found, instant(time)
