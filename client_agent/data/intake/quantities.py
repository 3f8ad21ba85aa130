"""Numbers and times as plugs report them: converted once, to watts, watt-hours and seconds, or refused."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from client_agent.data.intake.findings import MAX_PAYLOAD, Finding, Measurement, Quantity, Refusal, Refused
from protocol.errors import MalformedError
from protocol.strict_json import parse_json

MAX_WATTS: Final = 25_000.0  # more than three phases of 32 A carry
MAX_WATT_HOURS: Final = 1e9
NOISE_WATTS: Final = 5.0  # a sensor without load may show as much below zero
MAX_PHASES: Final = 8

POWER_UNITS: Final = {"W": 1.0, "kW": 1e3, "MW": 1e6, "mW": 1e-3}
ENERGY_UNITS: Final = {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6, "mWh": 1e-3, "Wmin": 1 / 60} | {
    "J": 1 / 3600,
    "kJ": 1 / 3.6,
    "MJ": 1e3 / 3.6,
    "GJ": 1e6 / 3.6,
}
UNITS_OF: Final = {Quantity.POWER: POWER_UNITS, Quantity.ENERGY: ENERGY_UNITS}
MOST_OF: Final = {Quantity.POWER: MAX_WATTS, Quantity.ENERGY: MAX_WATT_HOURS}

_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(?:[.,]\d{1,15})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_UNKNOWN: Final = frozenset({"", "unknown", "unavailable", "none", "null"})
_MAX_MOMENT: Final = 32  # letters of a time


@dataclass(frozen=True, slots=True)
class Moment:
    """What a message says about its own time."""

    at: float | None = None
    stamp: str = ""


NO_MOMENT: Final = Moment()


def quantity_of(unit: object) -> Quantity | None:
    """None for a unit of something else."""
    return next((one for one, units in UNITS_OF.items() if isinstance(unit, str) and unit in units), None)


def parsed(payload: bytes, most: int = MAX_PAYLOAD) -> Any:
    """JSON of at most ``most`` bytes. Raises MalformedError."""
    if len(payload) > most:
        raise MalformedError(f"larger than {most} bytes")
    return parse_json(payload)


def parsed_object(payload: bytes, most: int = MAX_PAYLOAD) -> dict[str, Any]:
    """Likewise, of an object."""
    found = parsed(payload, most)
    if not isinstance(found, dict):
        raise MalformedError("no object")
    return found


def text_of(payload: bytes) -> str:
    """Of a bare value. Raises MalformedError."""
    try:
        return payload[: MAX_PAYLOAD + 1].decode().strip()
    except UnicodeDecodeError as error:
        raise MalformedError("no text") from error


def as_number(raw: object) -> float | None:
    """None for a value that says itself that it is unknown. Raises ValueError for what is no finite number."""
    if raw is None:
        return None
    if isinstance(raw, str):
        raw = raw.strip()
        if raw.lower() in _UNKNOWN:
            return None
        if not _NUMBER.fullmatch(raw):
            raise ValueError("no number")
        raw = float(raw.replace(",", "."))
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError("no number")
    try:
        number = float(raw)
    except OverflowError as error:
        raise ValueError("a number without end") from error
    if not math.isfinite(number):
        raise ValueError("no number")
    return number


def measured(
    device: str, channel: str, quantity: Quantity, raw: object, unit: str, moment: Moment = NO_MOMENT
) -> tuple[Finding, ...]:
    """One reading, with what had to be counted about it. A list is of phases, which are added up.

    Nothing out of range is ever in a :class:`Measurement`.
    """

    def reading(value: float | None) -> Measurement:
        return Measurement(device, channel, quantity, value, unit, moment.at, moment.stamp)

    factor = UNITS_OF[quantity].get(unit)
    if factor is None:
        return (Refused(Refusal.UNIT, device),)
    try:
        value = _total(raw)
    except ValueError:
        return (Refused(Refusal.NO_NUMBER, device),)
    if value is None:
        return reading(None), Refused(Refusal.UNKNOWN, device)
    value *= factor
    if not abs(value) <= MOST_OF[quantity]:
        return (Refused(Refusal.SPIKE, device),)
    if value < 0.0:
        if quantity == Quantity.ENERGY:
            return (Refused(Refusal.NEGATIVE, device),)
        # what the appliance draws is not known then, so the reading before it does not hold any longer
        return reading(0.0 if value > -NOISE_WATTS else None), Refused(Refusal.NEGATIVE, device)
    return (reading(value + 0.0),)


def _total(raw: object) -> float | None:
    if not isinstance(raw, Sequence) or isinstance(raw, str | bytes):
        return as_number(raw)
    if not 0 < len(raw) <= MAX_PHASES:
        raise ValueError("no phases")
    phases = [as_number(one) for one in raw]
    known = [one for one in phases if one is not None]
    return sum(known) if len(known) == len(phases) else None


def instant(raw: object) -> Moment:
    """Of ISO text, with a zone or without, or of seconds or milliseconds since 1970."""
    if isinstance(raw, str) and 0 < len(raw) <= _MAX_MOMENT and raw.isascii() and raw.isprintable():
        try:
            moment = datetime.fromisoformat(raw)
            return Moment(moment.timestamp() if moment.tzinfo is not None else None, raw)
        except (ValueError, OverflowError):
            return Moment(None, raw)
    try:
        seconds = None if isinstance(raw, str) else as_number(raw)
    except ValueError:
        return NO_MOMENT
    if seconds is None or not 0.0 <= seconds < 1e14:
        return NO_MOMENT
    return Moment(seconds / 1e3 if seconds >= 1e11 else seconds, f"{seconds:.3f}")
