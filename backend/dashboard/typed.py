"""What somebody typed into the wizard, as text, and as the API takes it. What cannot be read is named, never lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from protocol.errors import MalformedError
from protocol.identifiers import parse_address, to_hex

DEFAULTS: Final[Mapping[str, str]] = {
    "kind": "appliances", "title": "", "own": "", "households": "20", "rounds": "10", "days": "30", "reward": "0.01",
    "privacy": "usual", "authorities": "", "substitutes": "", "confirmations": "3", "test_set": "", "initial_model": "",
    "voucher_key": "", "screening": "foolsgold",
}  # fmt: skip
KINDS: Final = ("appliances", "next_hour", "digits", "own")
WORDS: Final = ("strong", "usual", "weak")
SCREENINGS: Final = ("foolsgold", "alignment", "none")
_BOUNDS: Final = {"households": (2, 1_000_000), "rounds": (1, 1_000), "days": (1, 3_650), "confirmations": (0, 1_000)}
_MOST_LETTERS: Final = {"own": 12 * 1024, "title": 120}
_MOST: Final = 2_000
_KEY: Final = re.compile("[0-9a-f]{64}")
_CONTENT: Final = re.compile("b[a-z2-7]{58}|0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Fault:
    """``code``: one that the template has words for, with ``said`` to fill in; or ``as_said``."""

    code: str
    said: str = ""


Faults = Mapping[str, tuple[Fault, ...]]  # by field; the empty one is of the whole


def typed(query: Mapping[str, str]) -> dict[str, str]:
    """Each field as it was typed; one that was not sent has its default."""
    return {
        name: query.get(name, default).replace("\r\n", "\n")[: _MOST_LETTERS.get(name, _MOST)]
        for name, default in DEFAULTS.items()
    }


def request_of(values: Mapping[str, str], decimals: int) -> tuple[dict[str, Any], dict[str, tuple[Fault, ...]]]:
    """A DraftRequest, with defaults for what cannot be read, and what that was. ``decimals``: of the chain's coin."""
    asked: dict[str, Any] = {"title": values["title"].strip(), "own": values["own"] if values["kind"] == "own" else ""}
    faults = dict[str, tuple[Fault, ...]]()
    for name, known in (("kind", KINDS), ("privacy", WORDS), ("screening", SCREENINGS)):
        asked[name] = values[name] if values[name] in known else DEFAULTS[name]
    for name, (low, high) in _BOUNDS.items():
        number = _whole(values[name])
        if number is None or not low <= number <= high:
            faults[name] = (Fault("range", f"{low} … {high}"),)
            number = int(DEFAULTS[name])
        asked[name] = number
    reward = units(values["reward"], decimals)
    if reward is None:
        faults["reward"] = (Fault("amount"),)
        reward = units(DEFAULTS["reward"], decimals)
    asked["reward"] = str(reward)
    for name, most in (("authorities", 16), ("substitutes", 15)):
        found, wrong = [], list[Fault]()
        for text in values[name].replace(",", " ").split():
            try:
                found.append(to_hex(parse_address(text)))
            except MalformedError as error:
                wrong.append(Fault("as_said", str(error.args[0])))
        if len(found) > most:
            wrong.append(Fault("many", str(most)))
        if wrong:
            faults[name] = tuple(wrong[:4])
        asked[name] = found[:most]
    key = values["voucher_key"].strip().removesuffix(".pem")
    asked["voucher_key"] = key if _KEY.fullmatch(key) else None
    if key and asked["voucher_key"] is None:
        faults["voucher_key"] = (Fault("key"),)
    for name in ("test_set", "initial_model"):
        text = values[name].strip()
        asked[name] = text if _CONTENT.fullmatch(text) else None
        if text and asked[name] is None:
            faults[name] = (Fault("content"),)
    return asked, faults


def units(text: str, decimals: int) -> int | None:
    """Smallest units of an amount as a person writes it, with a point or a comma; None for anything else."""
    try:
        value = Decimal(text.strip().replace(",", "."))
        found = int(value.scaleb(decimals)) if value.is_finite() and 0 <= value < 10**18 else None
    except (InvalidOperation, ValueError):
        return None
    return found if found is not None and Decimal(found).scaleb(-decimals) == value else None


def merged(*parts: Faults) -> Faults:
    """In the order of the form. What the page found comes before what the API did: a field that cannot be read is not
    said to be missing too."""
    found = dict[str, tuple[Fault, ...]]()
    for name, faults in _all(parts):
        found.setdefault(name, faults)
    order = [*DEFAULTS, ""]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _all(parts: tuple[Faults, ...]) -> Iterator[tuple[str, tuple[Fault, ...]]]:
    for part in parts:
        yield from part.items()


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
