"""One strict encoding per value: sorted-key JSON of integers, truth values and strings in ASCII, no floats.

Messages are frozen dataclasses. Fields may be ``int``, ``bool``, ``str`` of one line, ``bytes`` (as ``0x`` hex), other
message dataclasses, ``tuple[X, ...]`` of these and ``dict[str, int]``; sizes and ranges are carried
by :class:`~protocol.identifiers.Size` and :class:`~protocol.identifiers.Range` in ``Annotated``.
``decode`` accepts exactly the bytes that ``encode`` produces and nothing else.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin

from protocol.canonical_types import UnfitError, hints_of, reader, unwrapped, writer
from protocol.errors import HearthError, MalformedError
from protocol.identifiers import Range, Size, from_hex, to_hex
from protocol.text import is_line

T = TypeVar("T")
MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
_MAX_DEPTH = 16
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")


def encode(value: Any) -> bytes:
    """Canonical bytes of a message; the constraints of every field are checked on the way."""
    kind: Any = type(value)
    with suppress(UnfitError):
        return writer(kind)(value).encode("ascii")
    return reference(value)


def reference(value: Any) -> bytes:
    """The same, step by step. Raises MalformedError, which says where the value is wrong."""
    return _dump(_plain(type(value), value, type(value).__name__))


def decode(message_type: type[T], data: bytes, max_bytes: int = MAX_DOCUMENT_BYTES) -> T:
    """Strict inverse of :func:`encode`. Raises MalformedError for anything else, whatever the bytes."""
    if len(data) > max_bytes:
        raise MalformedError(f"{message_type.__name__}: {len(data)} bytes exceed the limit of {max_bytes}")
    _check_depth(message_type, data)
    try:
        parsed = json.loads(data.decode("ascii"), parse_float=_refuse, parse_constant=_refuse)
    except ValueError as error:
        raise MalformedError(f"{message_type.__name__}: not canonical JSON: {error}") from error
    kind: Any = message_type
    with suppress(UnfitError, ValueError, HearthError):
        value: T = reader(kind)(parsed)
        if writer(kind)(value).encode("ascii") == data:
            return value
    value = _typed(message_type, parsed, message_type.__name__)
    if encode(value) != data:
        raise MalformedError(f"{message_type.__name__}: valid but not in canonical form")
    return value


def _dump(plain: Any) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _refuse(text: str) -> Any:
    raise ValueError(f"number {text!r} is not an integer")


def _check_depth(message_type: type, data: bytes) -> None:
    """Before parsing: the parser recurses per bracket, and deep nesting would overflow its stack."""
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        if depth > _MAX_DEPTH:
            raise MalformedError(f"{message_type.__name__}: nested too deeply")


def _check(value: Any, constraints: tuple[Any, ...], where: str) -> None:
    for constraint in constraints:
        if isinstance(constraint, Size) and len(value) != constraint.length:
            raise MalformedError(f"{where}: expected {constraint.length} bytes, got {len(value)}")
        if isinstance(constraint, Range):
            number = value if isinstance(value, int) else len(value)
            if not constraint.low <= number <= constraint.high:
                raise MalformedError(f"{where}: {number} is not in [{constraint.low}, {constraint.high}]")


def _plain(hint: Any, value: Any, where: str) -> Any:
    base, constraints = unwrapped(hint)
    origin = get_origin(base)
    if base is bytes and isinstance(value, bytes):
        _check(value, constraints, where)
        return to_hex(value)
    if base is int and type(value) is int:
        _check(value, constraints, where)
        return value
    if base is bool and type(value) is bool:
        return value
    if base is str and isinstance(value, str):
        _check(value, constraints, where)
        return _line(value, where)
    if origin is tuple and isinstance(value, tuple):
        _check(value, constraints, where)
        item = get_args(base)[0]
        return [_plain(item, entry, f"{where}[{i}]") for i, entry in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {_line(key, where): _plain(int, entry, f"{where}.{key}") for key, entry in value.items()}
    if is_dataclass(base) and isinstance(base, type) and isinstance(value, base):
        hints = hints_of(base)
        return {f.name: _plain(hints[f.name], getattr(value, f.name), f"{where}.{f.name}") for f in fields(base)}
    raise MalformedError(f"{where}: {type(value).__name__} where {base} is expected")


def _line(text: str, where: str) -> str:
    if not is_line(text):
        raise MalformedError(f"{where}: {text[:80]!r} is not one line of printable text")
    return text


def _typed(hint: Any, plain: Any, where: str) -> Any:
    base, constraints = unwrapped(hint)
    origin = get_origin(base)
    value: Any
    if base is bytes and isinstance(plain, str):
        value = from_hex(plain)
    elif (base in (int, bool) and type(plain) is base) or (base is str and isinstance(plain, str)):
        value = plain
    elif origin is tuple and isinstance(plain, list):
        item = get_args(base)[0]
        value = tuple(_typed(item, entry, f"{where}[{i}]") for i, entry in enumerate(plain))
    elif origin is dict and isinstance(plain, dict):
        value = {key: _typed(int, entry, f"{where}.{key}") for key, entry in plain.items()}
    elif is_dataclass(base) and isinstance(base, type) and isinstance(plain, dict):
        hints = hints_of(base)
        names = [f.name for f in fields(base)]
        if sorted(plain) != sorted(names):
            raise MalformedError(f"{where}: fields {sorted(plain)} where {sorted(names)} are expected")
        return base(**{n: _typed(hints[n], plain[n], f"{where}.{n}") for n in names})
    else:
        raise MalformedError(f"{where}: {type(plain).__name__} where {base} is expected")
    _check(value, constraints, where)
    return value
