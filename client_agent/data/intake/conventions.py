"""The conventions that are understood, by name, and which of them a message is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from client_agent.data.intake.discovery import discovery
from client_agent.data.intake.findings import AnyConvention
from client_agent.data.intake.shelly import shelly, shelly_first
from client_agent.data.intake.statestream import statestream
from client_agent.data.intake.tasmota import tasmota
from client_agent.data.intake.zigbee2mqtt import zigbee2mqtt
from protocol.errors import MalformedError

NAMES: Final = ("tasmota", "shelly", "shelly1", "zigbee2mqtt", "statestream", "discovery")


def conventions_of(names: Sequence[str]) -> tuple[AnyConvention, ...]:
    """Each as ``NAME``, or as ``NAME=BASE`` where owners choose the base of the topics. Raises MalformedError."""
    asked = dict(_asked(names))
    found: list[AnyConvention] = []
    if "tasmota" in asked:
        found.append(tasmota())
    if "shelly" in asked:
        found.append(shelly())
    if "shelly1" in asked:
        found.append(shelly_first())
    if "zigbee2mqtt" in asked:
        found.append(zigbee2mqtt(asked["zigbee2mqtt"] or "zigbee2mqtt"))
    if "statestream" in asked:
        found.append(statestream(asked["statestream"] or "homeassistant"))
    if "discovery" in asked:
        found.append(discovery(tuple(found), asked["discovery"] or "homeassistant"))
    return tuple(found)


def _asked(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in names:
        name, equals, base = text.partition("=")
        if name not in NAMES or (equals and name not in NAMES[3:]):
            raise MalformedError(f"{name[:40]!r} is no convention: {', '.join(NAMES)}; the last three take =BASE")
        if equals and not _usable_base(base):
            raise MalformedError(f"{base[:80]!r} is no base of topics")
        yield name, base


def _usable_base(base: str) -> bool:
    levels = base.split("/")
    return len(base) <= 100 and all(levels) and base.isprintable() and not set(base) & {"+", "#"} and base[0] != "$"
