"""A mapping that never changes and grows by one in no time: whoever folds ten thousand entries copies nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Growing(Mapping[Key, Value]):
    """In the order in which the keys came. The longer ones made of it share its memory, and it stays what it is.

    One thread may make longer ones while others read.
    """

    __slots__ = ("_count", "_keys", "_places")

    def __init__(self) -> None:
        self._places: dict[Key, tuple[int, Value]] = {}  # of this one and of all that were made longer of it
        self._keys: list[Key] = []
        self._count = 0  # of the keys, the first so many are in this one

    def __getitem__(self, key: Key) -> Value:
        place, value = self._places[key]
        if place >= self._count:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[Key]:
        return islice(self._keys, self._count)

    def __len__(self) -> int:
        return self._count

    def plus(self, key: Key, value: Value) -> Growing[Key, Value]:
        """This one, and ``key`` behind it, or with another value in its place."""
        grown = Growing[Key, Value]()
        if len(self._keys) == self._count and key not in self._places:
            grown._places, grown._keys = self._places, self._keys
        else:  # another one was made of it already, or nothing grows
            grown._places = {known: (place, self[known]) for place, known in enumerate(self)}
            grown._keys = list(self)
        if key not in grown._places:
            grown._keys.append(key)
            grown._places[key] = (len(grown._keys) - 1, value)
        else:
            grown._places[key] = (grown._places[key][0], value)
        grown._count = len(grown._keys)
        return grown
