"""The conventions that are understood, by name, and which of them a message is of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from client_agent.data.intake.discovery import discovery
from client_agent.data.intake.findings import AnyConvention
from client_agent.data.intake.patterns import ANY
from client_agent.data.intake.shelly import shelly, shelly_first
from client_agent.data.intake.statestream import statestream
from client_agent.data.intake.tasmota import USUAL, tasmota
from client_agent.data.intake.zigbee2mqtt import zigbee2mqtt
from protocol.errors import MalformedError

NAMES: Final = ("tasmota", "shelly", "shelly1", "zigbee2mqtt", "statestream", "discovery")
_USUAL: Final = {"tasmota": USUAL, "shelly": ANY, "shelly1": "", "zigbee2mqtt": "zigbee2mqtt"} | dict.fromkeys(
    ("statestream", "discovery"), "homeassistant"
)
_WITHOUT_BASE: Final = "shelly1"
_SEVERAL: Final = ("tasmota", "shelly")  # whose plugs have names of their own below each base


def conventions_of(names: Sequence[str]) -> tuple[AnyConvention, ...]:
    """Each as ``NAME``, or as ``NAME=BASE`` where owners choose the base of the topics. Raises MalformedError."""
    asked: dict[str, dict[str, None]] = {}  # by name the bases, each once
    for name, base in _asked(names):
        asked.setdefault(name, {})[base] = None
    for name, bases in asked.items():
        if len(bases) > 1 and name not in _SEVERAL:
            raise MalformedError(f"{name} takes one base, and not {len(bases)}")
    found: list[AnyConvention] = [tasmota(base) for base in asked.get("tasmota", ())]
    found += [shelly(base) for base in asked.get("shelly", ())]
    found += [shelly_first() for _ in asked.get("shelly1", ())]
    found += [zigbee2mqtt(base) for base in asked.get("zigbee2mqtt", ())]
    found += [statestream(base) for base in asked.get("statestream", ())]
    found += [discovery(tuple(found), base) for base in asked.get("discovery", ())]
    return tuple(found)


def _asked(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in names:
        name, equals, base = text.partition("=")
        if name not in NAMES or (equals and name == _WITHOUT_BASE):
            raise MalformedError(
                f"{name[:40]!r} is no convention: {', '.join(NAMES)}; all but {_WITHOUT_BASE} take =BASE"
            )
        if equals and not (base if name in _SEVERAL else _usable_base(base)):
            raise MalformedError(f"{base[:80]!r} is no base of topics")
        yield name, base if equals else _USUAL[name]


def _usable_base(base: str) -> bool:
    levels = base.split("/")
    return len(base) <= 100 and all(levels) and base.isprintable() and not set(base) & {"+", "#"} and base[0] != "$"
