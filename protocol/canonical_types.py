"""Canonical bytes of right values at speed: one function for each type, made once.

:mod:`protocol.canonical` is the reference, and says of any other value what is wrong with it. What is written here is
what it writes; what is read here may still be no canonical form, which the comparison of the bytes tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from json.encoder import encode_basestring_ascii
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from protocol.identifiers import Range, Size
from protocol.text import is_line

Write = Callable[[Any], str]
Read = Callable[[Any], Any]


class UnfitError(Exception):
    """A value that is not of its type, or a type that there is not."""


@cache
def hints_of(message_type: type) -> dict[str, Any]:
    return get_type_hints(message_type, include_extras=True)


def unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type itself, and its constraints."""
    if get_origin(hint) is Annotated:
        base, *constraints = get_args(hint)
        return base, tuple(constraints)
    return hint, ()


@cache
def writer(hint: Any) -> Write:
    """Gives the canonical text. Raises UnfitError."""
    base, constraints = unwrapped(hint)
    low, high = _bounds(constraints)
    if base is bytes:
        return lambda value: _hex(value, low, high)
    if base is int:
        return lambda value: _digits(value, low, high)
    if base is bool:
        return _truth
    if base is str:
        return lambda value: _text(value, low, high)
    if get_origin(base) is tuple:
        return _of_items(writer(get_args(base)[0]), low, high)
    if get_origin(base) is dict:
        return _of_numbers
    if isinstance(base, type) and is_dataclass(base):
        return _of_message(base)
    raise UnfitError


@cache
def reader(hint: Any) -> Read:
    """Gives the value of what a JSON parser gave. Raises UnfitError, ValueError and what the type itself raises.

    Constraints are left to the :func:`writer`, which has to give the same text again.
    """
    base, _ = unwrapped(hint)
    if base is bytes:
        return _bytes_of
    if base in (int, bool, str):
        return lambda plain: _exactly(base, plain)
    if get_origin(base) is tuple:
        return _items_by(reader(get_args(base)[0]))
    if get_origin(base) is dict:
        return lambda plain: dict(_exactly(dict, plain))
    if isinstance(base, type) and is_dataclass(base):
        return _message_by(base)
    raise UnfitError


def _bounds(constraints: tuple[Any, ...]) -> tuple[int, float]:
    """Of a number, or of a length."""
    low, high = -(2**1024), float("inf")
    for constraint in constraints:
        if isinstance(constraint, Size):
            low, high = max(low, constraint.length), min(high, constraint.length)
        if isinstance(constraint, Range):
            low, high = max(low, constraint.low), min(high, constraint.high)
    return low, high


def _hex(value: Any, low: int, high: float) -> str:
    if not isinstance(value, bytes) or not low <= len(value) <= high:
        raise UnfitError
    return f'"0x{value.hex()}"'


def _digits(value: Any, low: int, high: float) -> str:
    if type(value) is not int or not low <= value <= high:
        raise UnfitError
    return str(value)


def _truth(value: Any) -> str:
    if type(value) is not bool:
        raise UnfitError
    return "true" if value else "false"


def _text(value: Any, low: int, high: float) -> str:
    if not isinstance(value, str) or not low <= len(value) <= high or not is_line(value):
        raise UnfitError
    return encode_basestring_ascii(value)


def _of_numbers(value: Any) -> str:
    if not isinstance(value, dict):
        raise UnfitError
    return (
        "{"
        + ",".join([f"{_text(key, 0, 2**32)}:{_digits(value[key], -(2**1024), float('inf'))}" for key in sorted(value)])
        + "}"
    )


def _of_items(write: Write, low: int, high: float) -> Write:
    def text(value: Any) -> str:
        if not isinstance(value, tuple) or not low <= len(value) <= high:
            raise UnfitError
        return "[" + ",".join(map(write, value)) + "]"

    return text


def _of_message(message_type: type) -> Write:
    hints = hints_of(message_type)
    parts = [(field.name, f'"{field.name}":', writer(hints[field.name])) for field in fields(message_type)]
    parts.sort()

    def text(value: Any) -> str:
        if not isinstance(value, message_type):
            raise UnfitError
        return "{" + ",".join([begun + write(getattr(value, name)) for name, begun, write in parts]) + "}"

    return text


def _bytes_of(plain: Any) -> bytes:
    if type(plain) is not str or plain[:2] != "0x":
        raise UnfitError
    return bytes.fromhex(plain[2:])


def _exactly(kind: type, plain: Any) -> Any:
    if type(plain) is not kind:
        raise UnfitError
    return plain


def _items_by(read: Read) -> Read:
    return lambda plain: tuple(map(read, _exactly(list, plain)))


def _message_by(message_type: type) -> Read:
    hints = hints_of(message_type)
    parts = [(field.name, reader(hints[field.name])) for field in fields(message_type)]

    def value(plain: Any) -> Any:
        if type(plain) is not dict or len(plain) != len(parts):
            raise UnfitError
        try:
            return message_type(**{name: read(plain[name]) for name, read in parts})
        except KeyError as error:
            raise UnfitError from error

    return value
