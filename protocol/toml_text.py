"""Frozen dataclasses as the TOML text that :mod:`protocol.strict_toml` reads back as the same values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any, Final

from protocol.identifiers import to_hex
from protocol.messages.learning import MICRO

_UNITS: Final = re.compile("_(?:micro|ppm)$")


def toml_of(tables: Any) -> str:
    """``tables``: a dataclass whose fields are dataclasses, a table of the file each. None is left out."""
    return "\n".join(_lines(tables, ())).lstrip("\n") + "\n"


def _lines(table: Any, place: tuple[str, ...]) -> list[str]:
    entries, inner = list[str](), list[str]()
    for name, value in _entries(table):
        if is_dataclass(value):
            inner += _lines(value, (*place, name))
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            entries += [f"{name} = [", *(f"  {_inline(one)}," for one in value), "]"]
        else:
            entries.append(f"{name} = {_plain(value)}")
    heading = ["", f"[{'.'.join(place)}]"] if entries else []
    return [*heading, *entries, *inner]


def _entries(table: Any) -> list[tuple[str, Any]]:
    """Names as in the file, whose units are natural ones; a dict's keys stand among the other names."""
    found = list[tuple[str, Any]]()
    for field in fields(table):
        value = getattr(table, field.name)
        if isinstance(value, Mapping):
            found += value.items()
        elif value is not None:
            name = _UNITS.sub("", field.name)
            found.append((name, value if name == field.name else _in_units(value)))
    return found


def _in_units(millionths: Any) -> Any:
    return tuple(map(_in_units, millionths)) if isinstance(millionths, tuple) else Decimal(millionths) / MICRO


def _inline(table: Any) -> str:
    return f"{{ {', '.join(f'{name} = {_plain(value)}' for name, value in _entries(table))} }}"


def _plain(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            text = format(value, "f")
            return text if "." in text else f"{text}.0"
        case bytes():
            return f'"{to_hex(value)}"'
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple():
            return f"[{', '.join(map(_plain, value))}]"
        case _:
            return str(value)
