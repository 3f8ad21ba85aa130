"""Lists in pages: a cursor leads forward alone, so a page's address remembers the cursors of the pages before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request

MOST: Final = 200  # pages that are remembered
_CURSOR: Final = re.compile("[1-9][0-9]{0,17}|0x[0-9a-f]{40}|")


@dataclass(frozen=True, slots=True)
class Trail:
    """Of one page: ``before`` are the cursors of the pages before it, the first one's empty."""

    cursor: str
    before: tuple[str, ...]

    @property
    def asked(self) -> str | None:
        """As the API takes it."""
        return self.cursor or None

    @property
    def number(self) -> int:
        """Of the page, from 1."""
        return len(self.before) + 1

    def earlier(self, path: str, query: Mapping[str, str] | None = None) -> str | None:
        """Where the page before this one is; ``query``: what else its address has."""
        return _address(path, Trail(self.before[-1], self.before[:-1]), query) if self.before else None

    def later(self, path: str, cursor: str | None, query: Mapping[str, str] | None = None) -> str | None:
        if cursor is None:
            return None
        return _address(path, Trail(cursor, (*self.before, self.cursor)[-MOST:]), query)


def trail_of(request: Request) -> Trail:
    """What a page's address says; one that says nothing sensible is that of the first page."""
    cursor, before = request.query_params.get("cursor", ""), request.query_params.get("before", "")
    cursors = tuple(before.split(".")) if "before" in request.query_params else ()
    if not cursor or not all(map(_CURSOR.fullmatch, (cursor, *cursors))):
        return Trail("", ())
    return Trail(cursor, cursors[-MOST:])


def _address(path: str, trail: Trail, query: Mapping[str, str] | None) -> str:
    found = {name: value for name, value in (query or {}).items() if value}
    if trail.cursor:
        found |= {"cursor": trail.cursor, "before": ".".join(trail.before)}
    return f"{path}?{urlencode(found)}" if found else path
