"""TOML that a person wrote, into frozen dataclasses: whatever is unknown, of another type or out of range is named,
with its line and, where it is misspelt, what was meant.

Fields may be ``bool``, ``int``, ``str`` of one line, ``bytes`` (as ``0x`` hex), dataclasses (tables) and
``tuple[X, ...]`` or ``X | None`` of these, with :class:`~protocol.identifiers.Size` and
:class:`~protocol.identifiers.Range`. A field with a default may be left out. The file has ``x_micro`` and ``x_ppm`` as
a real number ``x``. A field of ``dict[str, int]`` takes all the keys of its table that no other field takes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from decimal import Decimal
from difflib import get_close_matches
from fractions import Fraction
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from protocol.errors import MalformedError, Party, SpecError
from protocol.identifiers import Range, Size, from_hex, parse_address
from protocol.text import refused_in
from protocol.toml_lines import Place, places_of

MAX_TOML_BYTES: Final = 64 * 1024
ADDRESS_BYTES: Final = 20
_MAX_EXPONENT: Final = 80  # of a number in a file; greater ones would fill the memory
_UNITS: Final = re.compile("_(?:micro|ppm)$")
_UNIT_PLACES: Final = 6
_LIKENESS: Final = 0.5  # of two spellings; FE65 is meant to be FE64-A/1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decimals:
    """Of an ``int``: the file has a real number with at most so many ``places``, the field 10^places times it."""

    places: int


def parse_toml(into: type[T], data: bytes, name: str) -> T:
    """``name``: of the file, for its errors. Raises MalformedError for the first entry that cannot stand."""
    return TomlFile(data, name).read(into)


def nearest(word: str, known: Collection[str]) -> str:
    """What to say of a word that is none of the ``known``: the one that was meant, or all of them."""
    close = get_close_matches(word, known, 1, _LIKENESS) or get_close_matches(word.lower(), known, 1, _LIKENESS)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"


class TomlFile:
    """The parsed file, which knows where its entries stand. Raises MalformedError for what is no TOML."""

    def __init__(self, data: bytes, name: str, *, max_bytes: int = MAX_TOML_BYTES, fault: Party = Party.OURS) -> None:
        self.name, self._fault = name, fault
        if len(data) > max_bytes:
            raise MalformedError(f"{name}: larger than {max_bytes} bytes", fault=fault)
        try:
            text = data.decode("utf-8-sig").replace("\r\n", "\n") + "\n"  # so that errors at the end have a line
        except UnicodeDecodeError as error:
            line = 1 + data.count(b"\n", 0, error.start)
            raise MalformedError(f"{name}, line {line}: not a text in UTF-8", fault=fault) from error
        try:
            self.tables: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
            self._places: Mapping[Place, int] = places_of(text)
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise MalformedError(f"{name}{_unreadable(text, error)}", fault=fault) from error

    def wrong(self, place: Place, reason: str) -> MalformedError:
        """What is wrong at that place, or at the table or list around it where it is not there itself."""
        known = place
        while known and known not in self._places:
            known = known[:-1]
        where = f"{self.name}, line {self._places[known]}" if known else self.name
        return MalformedError(f"{where}: {_written(place)}: {reason}", fault=self._fault)

    def refused(self, error: SpecError) -> MalformedError:
        """The same error, with the line of its entry."""
        keys = re.findall(r"[^.\[\]]+", error.line)
        return self.wrong(tuple(int(key) if key.isdigit() else key for key in keys), error.reason)

    def read(self, into: type[T], defaults: Mapping[str, Any] | None = None) -> T:
        """``defaults``: tables of entries that may be left out, as the file would have them."""
        value: T = self._table(into, _laid_over(defaults or {}, self.tables), ())
        return value

    def _table(self, into: Any, plain: dict[str, Any], place: Place) -> Any:
        hints = get_type_hints(into, include_extras=True)
        rest = next((field.name for field in fields(into) if get_origin(hints[field.name]) is dict), None)
        known = {_UNITS.sub("", field.name): field for field in fields(into) if field.name != rest}
        unknown = [key for key in plain if key not in known]
        if unknown and rest is None:
            raise self.wrong((*place, unknown[0]), f"is not known here; {nearest(unknown[0], known)}")
        for key, field in known.items():
            if key not in plain and not _has_default(field):
                if meant := get_close_matches(key, unknown, 1):
                    raise self.wrong((*place, meant[0]), f"is not known here; did you mean {key}?")
                raise self._missing((*place, key), is_dataclass(hints[field.name]))
        values = {
            field.name: self._typed(_with_unit(field.name, hints[field.name]), plain[key], (*place, key))
            for key, field in known.items()
            if key in plain
        }
        if rest is not None:
            values[rest] = {key: self._typed(int, plain[key], (*place, key)) for key in unknown}
        try:
            return into(**values)
        except SpecError as error:
            raise self.refused(error) from error

    def _missing(self, place: Place, is_table: bool) -> MalformedError:
        outer = [place[:depth] for depth in range(1, len(place)) if place[:depth] not in self._places]
        if outer or is_table:  # of a table that is not there its name says enough
            return self.wrong([*outer, place][0], "the table is missing")
        return self.wrong(place, "is missing")

    def _typed(self, hint: Any, plain: Any, place: Place) -> Any:
        if get_origin(hint) is Union:
            hint = get_args(hint)[0]
        base, *constraints = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        decimals = next((one.places for one in constraints if isinstance(one, Decimals)), 0)
        if is_dataclass(base) and isinstance(plain, dict):
            return self._table(base, plain, place)
        if get_origin(base) is tuple and isinstance(plain, list):
            self._check_length(len(plain), "entries", constraints, place)
            item = _in_decimals(get_args(base)[0], decimals)  # the list's name has the unit
            return tuple(self._typed(item, one, (*place, number)) for number, one in enumerate(plain))
        if base is bytes and isinstance(plain, str):
            return self._bytes(plain, constraints, place)
        if base is str and isinstance(plain, str):
            if why := refused_in(plain):
                raise self.wrong(place, why)
            self._check_length(len(plain), "characters", constraints, place)
            return plain
        if base is int and (type(plain) is int or (decimals and isinstance(plain, Decimal))):
            return self._integer(plain, decimals, constraints, place)
        if base is bool and isinstance(plain, bool):
            return plain
        kind = "a list" if get_origin(base) is tuple else "a table" if is_dataclass(base) else _KINDS[base]
        raise self.wrong(place, f"{_shown(plain)} where {'a number' if decimals else kind} belongs")

    def _check_length(self, length: int, what: str, constraints: list[Any], place: Place) -> None:
        for allowed in (one for one in constraints if isinstance(one, Range)):
            if not allowed.low <= length <= allowed.high:
                raise self.wrong(place, f"{length} {what} where {allowed.low} to {allowed.high} belong")

    def _bytes(self, text: str, constraints: list[Any], place: Place) -> bytes:
        length = next((one.length for one in constraints if isinstance(one, Size)), None)
        try:
            return parse_address(text) if length == ADDRESS_BYTES else from_hex(text.lower(), length)
        except MalformedError as error:
            raise self.wrong(place, error.args[0]) from error

    def _integer(self, value: int | Decimal, places: int, constraints: list[Any], place: Place) -> int:
        if isinstance(value, Decimal) and (not value.is_finite() or value.adjusted() > _MAX_EXPONENT):
            raise self.wrong(place, f"{_shown(value)} is out of range")
        tiny = isinstance(value, Decimal) and value and value.adjusted() < -_MAX_EXPONENT
        scaled = Fraction(1, 3) if tiny else Fraction(value) * 10**places
        if scaled.denominator != 1:
            raise self.wrong(place, f"{_shown(value)} has more than {places} decimals")
        for allowed in (one for one in constraints if isinstance(one, Range)):
            if not allowed.low <= scaled <= allowed.high:
                low, high = (_decimal(bound, places) for bound in (allowed.low, allowed.high))
                raise self.wrong(place, f"{_shown(value)} is not between {low} and {high}")
        return int(scaled)


_KINDS: Final = {
    bool: "true or false",
    int: "a whole number",
    str: "a text",
    bytes: "a text of hex digits behind 0x",
}


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _with_unit(name: str, hint: Any) -> Any:
    return _in_decimals(hint, _UNIT_PLACES if _UNITS.search(name) else 0)


def _in_decimals(hint: Any, places: int) -> Any:
    return Annotated[hint, Decimals(places)] if places else hint


def _laid_over(below: Mapping[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    together = {**below, **above}
    for key, value in below.items():
        if isinstance(value, Mapping) and isinstance(above.get(key), dict):
            together[key] = _laid_over(value, above[key])
    return together


def _unreadable(text: str, error: Exception) -> str:
    """tomllib names the line, except where a number is longer than Python reads."""
    if isinstance(error, RecursionError):
        return ": brackets within brackets within brackets"
    long = re.search(r"(?:\d_?){1000}", text)
    if isinstance(error, tomllib.TOMLDecodeError) or long is None:
        what, _, place = str(error).partition(" (at line ")
        names = re.sub(r"\(('[^)]*)\)", lambda found: ".".join(re.findall(r"'([^']*)'", found[1])), what)
        return f"{f', line {place[:-1]}' if place else ''}: {names:.200}"
    return f", line {1 + text.count(chr(10), 0, long.start())}: a number of more than 1000 digits"


def _written(place: Place) -> str:
    """As a person would write it: ``trust.chains[0].ledgers``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key!s:.80}" for key in place).removeprefix(".")


def _shown(plain: Any) -> str:
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, dict | list):
        return "a table" if isinstance(plain, dict) else "a list"
    return f'"{plain:.80}"' if isinstance(plain, str) else f"{plain!s:.80}"


def _decimal(value: int, places: int) -> str:
    return f"{Decimal(value).scaleb(-places).normalize():f}" if places else str(value)
