"""Records whose appends are timed, and whose errors are counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from protocol.errors import HearthError
from storage.records.interface import MAX_BLOB_BYTES, Change, OvertakenError, Records

T = TypeVar("T")
EntryT = TypeVar("EntryT")
Heard = Callable[[float, HearthError | None], None]


class WatchedRecords:
    """``heard`` gets the seconds of each append, or what was wrong with it. ``clock`` is any that only runs."""

    def __init__(self, records: Records, heard: Heard, clock: Callable[[], float] = time.perf_counter) -> None:
        self._records, self._heard, self._clock = records, heard, clock

    def append(self, change: Change, after: int) -> None:
        begun = self._clock()
        self._said(lambda: self._records.append(change, after))
        self._heard(self._clock() - begun, None)

    def read(self, types: Sequence[type[EntryT]], after: int = 0) -> Iterator[EntryT]:
        return self._said(lambda: self._records.read(types, after))

    def blob(self, name: str, max_bytes: int = MAX_BLOB_BYTES) -> bytes:
        return self._said(lambda: self._records.blob(name, max_bytes))

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        return self._said(lambda: self._records.claim(name, holder, until, now))

    def close(self) -> None:
        self._records.close()

    def _said(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except OvertakenError:  # another writer was first: usual where several processes share a stream
            raise
        except HearthError as error:
            self._heard(0.0, error)
            raise
