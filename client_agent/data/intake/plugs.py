"""What an owner sees of a plug, and what an owner says about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.tracebase import TYPES
from protocol.errors import MalformedError
from protocol.text import is_line

MAX_BRAND: Final = 64
OTHER: Final = "Other"  # an appliance of no type that has a label
KINDS: Final = (*TYPES, OTHER)


class Purpose(StrEnum):
    """What readings of an appliance may be made into; each is a switch of its own. The value names its file."""

    TYPE_HOUR = "type-60"  # its type, from an hour of power
    TYPE_FOUR_HOURS = "type-240"
    NEXT_HOUR = "next-hour"  # its power in the hour that follows twelve


@dataclass(frozen=True, slots=True)
class Plug:
    """``number`` is what every call takes. ``watts``: the reading that holds, None in a gap. ``seen``: seconds since
    1970 of its last message. ``same_as``: an earlier plug that measures the same appliance."""

    number: int
    source: str
    name: str
    manufacturer: str
    model: str
    power_unit: str  # as it was reported
    energy_unit: str
    available: bool | None  # None: it never said
    watts: float | None
    seen: int | None
    kind: str | None  # None: not assigned
    brand: str
    suggested_kind: str | None
    suggested_brand: str
    purposes: frozenset[Purpose]
    same_as: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Each reading holds until the next. ``times``: seconds since 1970, shape (n,), ascending; ``watts``: (n,), NaN
    where a gap begins."""

    times: npt.NDArray[np.int64]
    watts: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what is stored. Oldest readings go first."""

    keep_days: int = 90
    max_bytes: int = 512 * 1024 * 1024
    max_plugs: int = 256


USUAL_LIMITS: Final = Limits()


# words by which an appliance is called, in the languages of the pages, in the order in which they are looked for
_WORDS: Final = (
    ("Coffeemaker", "coffee|kaffee|espresso|senseo"),
    ("Dishwasher", "dishwasher|spülmaschine|spuelmaschine|geschirrspüler|geschirrspueler"),
    ("Washingmachine", "washing|washer|waschmaschine"),
    ("MicrowaveOven", "microwave|mikrowelle"),
    ("Refrigerator", "refrigerator|fridge|kühlschrank|kuehlschrank"),
    ("WaterKettle", "kettle|wasserkocher"),
    ("Monitor-TFT", "monitor|bildschirm"),
    ("TV-LCD", r"\btv\b|television|fernseher"),
    ("Router", r"router|fritz"),
    ("Lamp", "lamp|leuchte|light"),
)
_PLUG_MAKERS: Final = frozenset(
    "tasmota shelly allterco tuya sonoff ikea innr nous gosund athom ledvance osram aqara lidl".split()
)
_SUGGESTED: Final = tuple((kind, re.compile(words)) for kind, words in _WORDS)


def suggested_kind(*texts: str) -> str | None:
    """The kind that a name speaks of; None where no word is known."""
    whole = " ".join(texts).casefold().replace("_", " ")
    return next((kind for kind, words in _SUGGESTED if words.search(whole)), None)


def suggested_brand(manufacturer: str) -> str:
    """Of a plug its maker says nothing about what is plugged in; of an appliance that speaks for itself it does."""
    words = manufacturer.casefold().split()
    return "" if words and words[0] in _PLUG_MAKERS else manufacturer


def require_kind(kind: str) -> str:
    """Raises MalformedError for one that is not in KINDS."""
    if kind not in KINDS:
        raise MalformedError(f"{kind[:40]!r} is no kind of appliance: {', '.join(KINDS)}")
    return kind


def require_brand(brand: str) -> str:
    """Raises MalformedError for more than ``MAX_BRAND`` letters, or more than a line."""
    if len(brand) > MAX_BRAND or not is_line(brand):
        raise MalformedError(f"a brand is one line of at most {MAX_BRAND} letters")
    return brand.strip()
