"""Where the functions of a Solidity source are: by their names, and by the lines of head and body."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HEAD: Final = re.compile(r"^    (?:function (\w+)|modifier (\w+)|(constructor))\b")
_NUMBER: Final = re.compile(r"^    \S.* constant \w+ = [\d_]+")


@dataclass(frozen=True, slots=True)
class Function:
    """Line numbers from 0: the head is ``start`` to ``body`` exclusive, the body ``body`` to ``end`` exclusive."""

    name: str
    start: int
    body: int
    end: int


def functions(source: str) -> Iterator[Function]:
    """Functions, modifiers and constructors with a body, as ``forge fmt`` lays them out; then each numeric constant."""
    lines = source.split("\n")
    for start, line in enumerate(lines):
        head = _HEAD.match(line)
        if head is None:
            if _NUMBER.match(line):
                yield Function(line.partition(" = ")[0].rpartition(" ")[2], start, start, start + 1)
            continue
        name = next(group for group in head.groups() if group)
        opened = next(number for number in range(start, len(lines)) if lines[number].rstrip().endswith(("{", "}", ";")))
        if lines[opened].rstrip().endswith("{"):
            end = next(number for number in range(opened, len(lines)) if lines[number] == "    }")
            yield Function(name, start, opened + 1, end)
