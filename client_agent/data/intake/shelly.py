"""Shelly's plugs: the first generation's bare numbers, and the later ones' whole and partial JSON states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from client_agent.data.intake.findings import (
    MAX_SOURCES,
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
from client_agent.data.intake.patterns import ANY, parse_pattern
from client_agent.data.intake.quantities import Moment, instant, measured, parsed_object, text_of
from protocol.errors import MalformedError

_RELAY: Final = re.compile(r"shellies/(?P<id>[^/]+)/relay/(?P<channel>\d{1,2})/(?P<what>power|energy)", re.ASCII)
_FIRST_ONLINE: Final = re.compile(r"shellies/(?P<id>[^/]+)/online")
_COMPONENT: Final = re.compile(r"(?:switch|pm1):\d{1,2}", re.ASCII)
_WORDS: Final = {"true": True, "false": False}
_FIRST_UNITS: Final = {"power": (Quantity.POWER, "W"), "energy": (Quantity.ENERGY, "Wmin")}
_STATUS, _NOTICE, _ONLINE = "status/", "events/rpc", "online"
_NOTICES: Final = frozenset({"NotifyStatus", "NotifyFullStatus"})

Known = Mapping[tuple[str, str], Mapping[str, Any]]  # the last state of each component, of device and component


def shelly_first() -> Convention[None]:
    """Of the first generation: W, and watt-minutes."""
    filters = ("shellies/+/relay/+/power", "shellies/+/relay/+/energy", "shellies/+/online")
    return Convention("shelly1", filters, None, lambda message, _: Heard(_first(message), None), _first_device)


def _first_device(topic: str) -> str | None:
    named = _RELAY.fullmatch(topic)
    return None if named is None else device_named("shelly1", named["id"])


def _first(message: Message) -> tuple[Finding, ...]:
    if not usable_topic(message.topic):
        return refused(Refusal.TOPIC)
    relay, online = _RELAY.fullmatch(message.topic), _FIRST_ONLINE.fullmatch(message.topic)
    try:
        if relay is not None:
            quantity, unit = _FIRST_UNITS[relay["what"]]
            device = device_named("shelly1", relay["id"])
            return measured(device, f"relay:{relay['channel']}", quantity, text_of(message.payload), unit)
        if online is not None:
            return _online(device_named("shelly1", online["id"]), message.payload)
    except MalformedError:
        return refused(Refusal.MALFORMED)
    return refused(Refusal.TOPIC)


def shelly(prefix: str = ANY) -> Convention[Known]:
    """From the second generation on: W, and Wh. ``prefix``: the MQTT prefix of one plug, or of several with ANY for
    a level in which they differ. Raises MalformedError for what is no prefix."""
    pattern = parse_pattern(prefix, prefixed=False)

    def device_of(topic: str) -> str | None:
        name, _, rest = pattern.split(topic) or ("", "", "")
        of_power = rest == _NOTICE or (rest.startswith(_STATUS) and _COMPONENT.fullmatch(rest.removeprefix(_STATUS)))
        return device_named("shelly", name) if of_power else None

    def read(message: Message, known: Known) -> Heard[Known]:
        split = pattern.split(message.topic)
        if split is None:
            return Heard(refused(Refusal.TOPIC), known)
        return _later(device_named("shelly", split[0]), split[2], message, known)

    filters = (pattern.filter("", f"{_STATUS}+"), pattern.filter("", _NOTICE), pattern.filter("", _ONLINE))
    return Convention("shelly", filters, {}, read, device_of)


def _later(device: str, rest: str, message: Message, known: Known) -> Heard[Known]:
    try:
        if rest == _ONLINE:
            return Heard(_online(device, message.payload), known)
        if rest == _NOTICE:
            return _notice(device, message, known)
        if rest.startswith(_STATUS):
            component = rest.removeprefix(_STATUS)
            if not _COMPONENT.fullmatch(component):
                return Heard((), known)  # Wi-Fi, inputs and the like
            return _states(device, {component: parsed_object(message.payload)}, Moment(), message.retained, {}, known)
    except MalformedError:
        return Heard(refused(Refusal.MALFORMED, device), known)
    return Heard(refused(Refusal.TOPIC), known)


def _notice(device: str, message: Message, known: Known) -> Heard[Known]:
    content = parsed_object(message.payload)
    params = content.get("params")
    if content.get("method") not in _NOTICES or not isinstance(params, dict):
        return Heard((), known)  # a button, a schedule: nothing about power
    parts = {key: part for key, part in params.items() if _COMPONENT.fullmatch(key) and isinstance(part, dict)}
    before = known if content["method"] == "NotifyStatus" else {}
    return _states(device, parts, instant(params.get("ts")), message.retained, before, known)


def _states(
    device: str, parts: Mapping[str, Any], moment: Moment, retained: bool, before: Known, known: Known
) -> Heard[Known]:
    """Each part over what is known of its component ``before``: what a partial state leaves out is as it was."""
    found: tuple[Finding, ...] = ()
    changed = dict(known)
    for component, part in parts.items():
        place = (device, component)
        whole = {**before.get(place, {}), **_of_power(part)}
        if "power" in whole:
            found += measured(device, component, Quantity.POWER, whole["power"], "W", moment)
        if "total" in whole:
            found += measured(device, component, Quantity.ENERGY, whole["total"], "Wh", moment)
        if retained:
            continue  # nobody knows from when it is, so nothing is laid over it
        if place not in changed and len(changed) >= MAX_SOURCES:
            return Heard((*found, *refused(Refusal.TOO_MANY, device)), changed)
        changed[place] = whole
    return Heard(found, changed)


def _of_power(part: Mapping[str, Any]) -> dict[str, Any]:
    counter = part.get("aenergy")
    found = {"power": part["apower"]} if "apower" in part else {}
    return found | ({"total": counter["total"]} if isinstance(counter, dict) and "total" in counter else {})


def _online(device: str, payload: bytes) -> tuple[Finding, ...]:
    word = _WORDS.get(text_of(payload))
    return refused(Refusal.MALFORMED, device) if word is None else (Availability(device, word),)
