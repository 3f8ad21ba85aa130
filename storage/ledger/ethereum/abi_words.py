"""Values of the ABI's plain types from their words, at speed: a task has an event for every client that enrols.

What is read here has one encoding, which is the one that was given. Everything else is left to the library.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_WORD: Final = 32
_PLAIN: Final = re.compile(r"(uint|bytes)([1-9][0-9]*)", re.ASCII)
Read = Callable[[bytes], Any]  # of one word; None where it is no value of the type


def decode_words(types: tuple[str, ...], data: bytes) -> tuple[Any, ...] | None:
    """None for types other than unsigned integers, addresses, truth values and byte strings, and for any other
    encoding than the canonical one."""
    readers = _readers(types)
    if readers is None:
        return None
    values, tail = list[Any](), _WORD * len(types)
    for place, read in enumerate(readers):
        word = data[_WORD * place : _WORD * (place + 1)]
        if len(word) != _WORD:
            return None
        if read is None:
            found, end = _string(data, int.from_bytes(word, "big"), tail)
            value, tail = found, end
        else:
            value = read(word)
        if value is None:
            return None
        values.append(value)
    return tuple(values) if tail == len(data) else None


def _string(data: bytes, offset: int, tail: int) -> tuple[bytes | None, int]:
    """The byte string at ``offset``, which has to be ``tail``, and where it ends, its zeros included."""
    start = tail + _WORD
    length = int.from_bytes(data[tail:start], "big")
    end = start + -(-length // _WORD) * _WORD
    if offset != tail or end > len(data) or any(data[start + length : end]):
        return None, tail
    return data[start : start + length], end


@cache
def _readers(types: tuple[str, ...]) -> tuple[Read | None, ...] | None:
    """One for each type, None for a byte string of any length; None for other types."""
    readers = list[Read | None]()
    for kind in types:
        if kind == "bytes":
            readers.append(None)
            continue
        read = _reader(kind)
        if read is None:
            return None
        readers.append(read)
    return tuple(readers)


def _reader(kind: str) -> Read | None:
    if kind == "address":
        return lambda word: None if any(word[:12]) else word[12:]
    if kind == "bool":
        return lambda word: {bytes(_WORD): False, bytes(31) + b"\1": True}.get(word)
    match _PLAIN.fullmatch(kind):
        case re.Match() as found if found[1] == "uint":
            limit = 2 ** int(found[2])
            return lambda word: value if (value := int.from_bytes(word, "big")) < limit else None
        case re.Match() as found:
            size = int(found[2])
            return lambda word: None if any(word[size:]) else word[:size]
    return None
