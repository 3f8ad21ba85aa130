"""Where the entries of a TOML text stand: the parser of the standard library forgets it, and its users look for it."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

Place = tuple[str | int, ...]  # keys from the outermost table on; a number counts in a list

MAX_DEPTH: Final = 32
_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}' + r"|'''.*?''''{0,2}" + r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'", re.DOTALL
)
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]*")


def places_of(text: str) -> Mapping[Place, int]:
    """The line, from 1, of every table, key and list entry of ``text``, which ``tomllib`` has accepted. Raises
    RecursionError for what lies more than MAX_DEPTH deep."""
    return _Scanner(text).places


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._counts: dict[Place, int] = {}  # tables so far of each list of tables
        self.places: dict[Place, int] = {}
        self._document()

    def _document(self) -> None:
        table: Place = ()
        while self._blank():
            if self._taken("[["):
                *outer, name = self._keys()
                place = (*self._inside(outer), name)
                number = self._counts[place] = self._counts.get(place, 0) + 1
                self._note(place)
                table = (*place, number - 1)
                self._note(table)
                self._at += 2
            elif self._taken("["):
                table = self._inside(self._keys())
                self.places[table] = self._line()  # its own header, where [a.b] stands before [a]
                self._at += 1
            else:
                self._entry(table)

    def _inside(self, keys: list[str]) -> Place:
        """A header that goes through a list of tables means the last of them."""
        place: Place = ()
        for key in keys:
            place = (*place, key)
            self._note(place)
            if place in self._counts:
                place = (*place, self._counts[place] - 1)
        return place

    def _entry(self, table: Place) -> None:
        place = table
        for key in self._keys():
            place = (*place, key)
            self._note(place)
        self._at += 1  # the sign of equality
        self._value(place)

    def _value(self, place: Place) -> None:
        if len(place) > MAX_DEPTH:  # Python's own limit is as high as some library puts it
            raise RecursionError(f"line {self._line()}: nested too deeply")
        self._blank()
        if self._taken("["):
            number = 0
            while self._blank() and not self._taken("]"):
                entry = (*place, number)
                self._note(entry)
                self._value(entry)
                self._blank()
                number += self._taken(",")
        elif self._taken("{"):
            while self._blank() and not self._taken("}"):
                self._entry(place)
                self._blank()
                self._taken(",")
        else:
            match = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
            self._at = match.end() if match else len(self._text)

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while not keys or self._taken("."):
            self._blank()
            if match := _BARE.match(self._text, self._at):
                keys.append(match[0])
            elif match := _STRING.match(self._text, self._at):
                keys.append(tomllib.loads(f"key = {match[0]}")["key"])
            else:
                raise ValueError(f"line {self._line()}: no key")  # tomllib would not have accepted it
            self._at = match.end()
            self._blank()
        return keys

    def _blank(self) -> bool:
        """Whether anything comes after blanks and comments."""
        match = _BLANK.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._at < len(self._text)

    def _taken(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _note(self, place: Place) -> None:
        self.places.setdefault(place, self._line())

    def _line(self) -> int:
        return bisect_right(self._ends, self._at - 1) + 1
