"""Values and differences as the auditor's lines say them: plain words, hex for bytes, amounts with their unit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from itertools import zip_longest
from typing import Any, Final

from protocol.identifiers import NATIVE_COIN, Address, to_hex
from protocol.messages.chain import Event
from protocol.text import in_words

MAX_SHOWN: Final = 200  # characters of one value
MAX_BYTES: Final = 32  # that are shown as a whole


@dataclass(frozen=True, slots=True)
class Amount:
    """Of the task's money, in smallest units."""

    value: int
    token: Address

    def __str__(self) -> str:
        unit = "wei" if self.token == NATIVE_COIN else f"of the smallest units of token {to_hex(self.token)}"
        return f"{self.value} {unit}"


def differences(name: str, claimed: Any, derived: Any) -> str:
    """Where two unequal values differ first, or what one of two sets has and the other has not."""
    if is_dataclass(claimed) and type(claimed) is type(derived) and not isinstance(claimed, Amount):
        names = [part.name for part in fields(claimed)]
        part = next(part for part in names if getattr(claimed, part) != getattr(derived, part))
        return differences(f"{name}, {in_words(part)}", getattr(claimed, part), getattr(derived, part))
    if isinstance(claimed, bytes) and isinstance(derived, bytes) and max(len(claimed), len(derived)) > MAX_BYTES:
        place = next((i for i, (one, other) in enumerate(zip(claimed, derived, strict=False)) if one != other), None)
        where = f"from byte {min(len(claimed), len(derived)) if place is None else place} on"
        return f"{name}: {len(claimed)} bytes are claimed, {len(derived)} follow, and they differ {where}"
    if isinstance(claimed, Set) and isinstance(derived, Set):
        more, fewer = sorted(claimed - derived), sorted(derived - claimed)
        told = [f"{said(more)} is claimed and does not follow"] if more else []
        told += [f"{said(fewer)} follows and is not claimed"] if fewer else []
        return f"{name}: {', '.join(told)}"
    lists = isinstance(claimed, list | tuple) and isinstance(derived, list | tuple)
    if lists and max(len(_text(claimed)), len(_text(derived))) > MAX_SHOWN:
        pairs = enumerate(zip_longest(claimed, derived), 1)
        place, (one, other) = next((place, pair) for place, pair in pairs if pair[0] != pair[1])
        return differences(f"{name}, number {place}", one, other)
    return f"{name}: {said(claimed)} is claimed, {said(derived)} follows"


def said(value: object) -> str:
    """For people."""
    text = _text(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + ".."


def event_words(event: Event) -> str:
    """What happened, and where it stands."""
    return f'"{in_words(type(event).__name__)}" in block {event.block}'


def _text(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case bytes():
            return to_hex(value) if len(value) <= MAX_BYTES else f"{to_hex(value[:16])}.. ({len(value)} bytes)"
        case Enum():
            return in_words(value.name)
        case str() | Amount():
            return str(value)
        case Mapping():
            return ", ".join(f"{_text(key)}: {_text(one)}" for key, one in value.items()) or "nothing"
        case Collection():
            return ", ".join(map(_text, value)) or "nothing"
        case _ if is_dataclass(value):
            return " ".join(_parts(value))
    return str(value)


def _parts(value: Any) -> Iterator[str]:
    for part in fields(value):
        yield f"{in_words(part.name)} {_text(getattr(value, part.name))}"
