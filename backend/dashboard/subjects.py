"""What a finding of an audit is about, taken apart, so that a page can say it in its reader's language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_NAMED: Final = re.compile("(round|task|client|block) ([0-9]{1,20}|0x[0-9a-f]{2,64})(?: |$)")
_PLAIN: Final = (
    *("ledger", "endpoint", "content store", "rosters", "draws", "envelope", "view", "local steps", "spec"),
    *("initial model", "test set", "record", "average", "request", "openings", "all other tasks"),
    *("claim of", "refund in", "in"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """``word``: of a known kind, or empty; ``text``: a number or an address, or all of what is not known."""

    word: str
    text: str


def parts_of(subject: str) -> tuple[Part, ...]:
    """In their order."""
    return tuple(_parts(subject))


def _parts(rest: str) -> Iterator[Part]:
    while rest:
        if found := _NAMED.match(rest):
            yield Part(found[1], found[2])
            rest = rest[found.end() :]
        elif word := next((one for one in _PLAIN if rest == one or rest.startswith(f"{one} ")), None):
            yield Part(word, "")
            rest = rest[len(word) + 1 :]
        elif found := re.match("(0x[0-9a-f]{2,64})(?: |$)", rest):
            yield Part("address", found[1])
            rest = rest[found.end() :]
        else:
            yield Part("", rest)
            return
