"""What messages of smart plugs say, in one form for all conventions: readings in watts and watt-hours, and what plugs
are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from protocol.text import is_line, shown

MAX_PAYLOAD: Final = 64 * 1024
MAX_LISTING: Final = 4 * 1024 * 1024  # of a message that lists all devices of a home
MAX_TOPIC: Final = 256  # letters
MAX_NAME: Final = 64
MAX_SOURCES: Final = 1024  # that a convention remembers anything of


class Quantity(StrEnum):
    POWER = "power"  # W
    ENERGY = "energy"  # Wh, of a counter that only grows until it is reset


class Refusal(StrEnum):
    """Why something that arrived is not used as it is. The words are shown to the owner."""

    TOPIC = "topic"
    TOO_LARGE = "too large"
    MALFORMED = "malformed"
    NO_NUMBER = "no number"
    UNIT = "unknown unit"
    TEMPLATE = "unknown template"
    NEGATIVE = "negative"
    SPIKE = "spike"
    UNKNOWN = "unknown or unavailable"
    RETAINED = "retained"
    DUPLICATE = "duplicate"
    LATE = "late"
    CLOCK = "clock"
    COUNTER_RESET = "counter reset"
    TOO_MANY = "too many plugs"
    TOO_OLD = "too old"
    NO_ROOM = "no room"
    DROPPED = "queue full"
    OTHER = "not of a plug"


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    retained: bool = False  # by the broker, from before we asked


@dataclass(frozen=True, slots=True)
class Measurement:
    """``value``: watts or watt-hours; None where the plug says that it does not know.

    ``unit``: as it was reported. ``at``: seconds since 1970 by the plug's own clock, None where it has none or tells no
    zone. ``stamp``: that clock's text, which a repeated message has again.
    """

    device: str
    channel: str
    quantity: Quantity
    value: float | None
    unit: str
    at: float | None = None
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Availability:
    device: str
    available: bool


@dataclass(frozen=True, slots=True)
class Description:
    """Texts for the owner, cleaned by :func:`label`; empty where nothing is said."""

    device: str
    name: str = ""
    manufacturer: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Topics, without wildcards, that have to be asked for before more is heard."""

    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    why: Refusal
    device: str = ""
    count: int = 1


Finding = Measurement | Availability | Description | Wanted | Refused
State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Heard(Generic[State]):
    """What one message said, and what its convention remembers from now on."""

    findings: tuple[Finding, ...]
    state: State


@dataclass(frozen=True, slots=True)
class Convention(Generic[State]):
    """How one family of plugs talks. ``read`` is pure, and raises nothing whatever it is given.

    ``filters``: what is subscribed to at first. ``device_of``: the device that a topic's readings are of, None for a
    topic of another convention. ``listing``: whether a topic lists all devices.
    """

    name: str
    filters: tuple[str, ...]
    start: State
    read: Callable[[Message, State], Heard[State]]
    device_of: Callable[[str], str | None]
    listing: Callable[[str], bool] = lambda _: False


AnyConvention = Convention[Any]


def label(text: object) -> str:
    """A name from outside as it is kept and shown: one line, printable, of ``MAX_NAME`` letters; "" for no text."""
    return shown(text[:MAX_NAME].strip())[:MAX_NAME] if isinstance(text, str) else ""


def usable_topic(topic: str) -> bool:
    """Whether it is one of a plug that is listened to, and one that can be subscribed to as it stands."""
    return 0 < len(topic) <= MAX_TOPIC and is_line(topic) and not set(topic) & {"+", "#"} and topic[0] != "$"


def device_named(convention: str, name: str) -> str:
    """The name under which a device's readings are kept; different names stay different unless they are very long."""
    return shown(f"{convention}:{name}"[:MAX_TOPIC])


def refused(why: Refusal, device: str = "") -> tuple[Finding, ...]:
    return (Refused(why, device),)
