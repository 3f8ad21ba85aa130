"""TOML that a person wrote, into frozen dataclasses: whatever is unknown, of another type or out of range is named.

Fields may be ``bool``, ``int``, ``bytes`` (as ``0x`` hex), dataclasses (tables) and ``tuple[X, ...]`` of these, with
:class:`~protocol.identifiers.Size` and :class:`~protocol.identifiers.Range`. A field with a default may be left out.
"""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from protocol.errors import MalformedError
from protocol.identifiers import Range, Size, from_hex

MAX_TOML_BYTES: Final = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decimals:
    """Of an ``int``: the file has a real number with at most so many ``places``, the field 10^places times it."""

    places: int


def parse_toml(into: type[T], data: bytes, name: str) -> T:
    """``name``: of the file, for its errors. Raises MalformedError for the first entry that cannot stand."""
    if len(data) > MAX_TOML_BYTES:
        raise MalformedError(f"{name}: larger than {MAX_TOML_BYTES} bytes")
    try:
        parsed = tomllib.loads(data.decode(), parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise MalformedError(f"{name}: {error!s:.200}") from error
    value: T = _table(into, parsed, f"{name}: ")
    return value


def _table(into: Any, plain: dict[str, Any], where: str) -> Any:
    hints, known = get_type_hints(into, include_extras=True), {field.name: field for field in fields(into)}
    unknown = sorted(plain.keys() - known.keys())
    if unknown:
        raise MalformedError(f"{where}{unknown[0]!s:.80} is not known here; known are {', '.join(known)}")
    missing = [name for name, field in known.items() if name not in plain and not _has_default(field)]
    if missing:
        raise MalformedError(f"{where}{missing[0]} is missing")
    return into(**{name: _typed(hints[name], value, where + name) for name, value in plain.items()})


def _has_default(field: Any) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _typed(hint: Any, plain: Any, where: str) -> Any:
    base, *constraints = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    places = next((one.places for one in constraints if isinstance(one, Decimals)), 0)
    if is_dataclass(base) and isinstance(plain, dict):
        return _table(base, plain, f"{where}.")
    if get_origin(base) is tuple and isinstance(plain, list):
        return tuple(_typed(get_args(base)[0], one, f"{where}[{place}]") for place, one in enumerate(plain))
    if base is bytes and isinstance(plain, str):
        return _bytes(plain, constraints, where)
    if base is int and (type(plain) is int or (places and isinstance(plain, Decimal))):
        return _integer(Decimal(plain), places, constraints, where)
    if base is bool and isinstance(plain, bool):
        return plain
    kind = "a list" if get_origin(base) is tuple else "a table" if is_dataclass(base) else _KINDS[base]
    raise MalformedError(f"{where}: {plain!r:.80} where {'a number' if places else kind} belongs")


_KINDS: Final = {bool: "true or false", int: "a whole number", bytes: "a text of hex digits behind 0x"}


def _bytes(text: str, constraints: list[Any], where: str) -> bytes:
    length = next((one.length for one in constraints if isinstance(one, Size)), None)
    try:
        return from_hex(text.lower(), length)
    except MalformedError as error:
        raise MalformedError(f"{where}: {error.args[0]}") from error


def _integer(value: Decimal, places: int, constraints: list[Any], where: str) -> int:
    if not value.is_finite() or value.adjusted() > 80:
        raise MalformedError(f"{where}: {value!s:.80} is out of range")
    scaled = value.scaleb(places)
    if scaled != int(scaled):
        raise MalformedError(f"{where}: {value!s:.80} has more than {places} decimals")
    for allowed in (one for one in constraints if isinstance(one, Range)):
        if not allowed.low <= scaled <= allowed.high:
            low, high = (Decimal(bound).scaleb(-places) for bound in (allowed.low, allowed.high))
            raise MalformedError(f"{where}: {value!s:.80} is not between {low.normalize():f} and {high.normalize():f}")
    return int(scaled)
