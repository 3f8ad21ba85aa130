"""What a stream says: a state that its entries fold to, and the only way in which roles append to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from storage.records.interface import NOTHING, Change, EntryT, OvertakenError, Records, RecordsError

StateT = TypeVar("StateT")


class Folded(Generic[StateT, EntryT]):
    """The current state of one stream. May be shared by threads; others may append to the same stream.

    ``apply`` is pure and states are immutable, so a state that was handed out stays what it was.
    """

    def __init__(
        self,
        records: Records,
        types: Sequence[type[EntryT]],
        initial: StateT,
        apply: Callable[[StateT, EntryT], StateT],
    ) -> None:
        self._records, self._types, self._apply = records, types, apply
        self._mutex = threading.Lock()
        self._state, self._count = initial, 0
        self._read_on()

    @property
    def state(self) -> StateT:
        """After every entry that is in the stream now. Raises RecordsError."""
        with self._mutex:
            return self._read_on()

    def change(self, decide: Callable[[StateT], Change]) -> StateT:
        """Appends what ``decide`` says of the newest state, and returns the state after it.

        ``decide`` may say ``NOTHING`` or raise; it is asked again when another writer was first, also where that one
        erased what it reads, and must not use this object. Raises RecordsError, MalformedError.
        """
        with self._mutex:
            while True:
                state, count = self._read_on(), self._count
                try:
                    change = decide(state)
                except RecordsError:
                    self._read_on()
                    if self._count == count:
                        raise
                    continue
                if change == NOTHING:
                    return self._state
                try:
                    self._records.append(change, self._count)
                except OvertakenError:
                    continue
                for entry in change.entries:
                    self._add(entry)  # type: ignore[arg-type]
                return self._state

    def _read_on(self) -> StateT:
        for entry in self._records.read(self._types, self._count):
            self._add(entry)
        return self._state

    def _add(self, entry: EntryT) -> None:
        self._state, self._count = self._apply(self._state, entry), self._count + 1
