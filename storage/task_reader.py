"""One task as chain and content tell it now: events are followed, documents fetched, both handed to the one fold."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

import structlog

from protocol.identifiers import Address, Digest
from protocol.messages.chain import Event
from protocol.task.documents import Absent, Delivered, Kind, Lack, UnderivableError, Wanted
from protocol.task.fold import Entry, apply_all, fold
from protocol.task.screened_rounds import unscreened
from protocol.task.state import TaskState
from storage.content.interface import ContentStore
from storage.reading import read_content
from storage.screened_rounds import derive_screened

RETRY_SECONDS: Final = 15  # between two looks for a document that was not there
_OF_SCREENING: Final = frozenset(Kind) - {Kind.AGGREGATE, Kind.MODEL, Kind.ALLOCATION}

log = structlog.get_logger()


class TaskReader:
    """``state`` is replaced as a whole and never changed: any thread may read it at any time. Updates are for one.

    ``kinds``: of documents that this reader needs; what the openings of screened rounds say is derived by whoever needs
    all those that it follows from. ``only``: the client whose events alone are followed.
    """

    def __init__(self, store: ContentStore, task: int, kinds: Collection[Kind], only: Address | None = None) -> None:
        self._store, self._kinds = store, frozenset(kinds)
        self._followed: tuple[Event, ...] = ()
        self._looked: dict[tuple[Kind, Digest], int] = {}
        self._first = 1  # of every round before this one everything is read
        self._derives = self._kinds >= _OF_SCREENING and only is None
        self._tried = (0, 0)  # round whose openings could not be derived, and when that was
        self.state = TaskState(task, only)

    def follow(self, events: Iterable[Event]) -> bool:
        """``events`` are all that stand on chain, in order; the state starts over when it took others back.

        True when something changed.
        """
        standing = tuple(events)
        known = len(self._followed)
        if standing == self._followed:
            return False
        if standing[:known] == self._followed:
            self.state = apply_all(self.state, standing[known:])
        else:
            documents = {key: found for key, found in self.state.documents.items() if not isinstance(found, Absent)}
            self.state, self._first = fold(self.state.task, standing, documents, self.state.only), 1
        self._followed = standing
        return True

    def add(self, *entries: Entry) -> None:
        """Times of blocks, and what was derived again."""
        self.state = apply_all(self.state, entries)

    def count(self, enrolled: int) -> None:
        """Of a state of one client: by the ledger's view."""
        self.state = replace(self.state, counted=enrolled)

    def missing(self, now: int) -> list[Wanted]:
        """Documents of its kinds to look for at ``now`` (seconds), each at most once in RETRY_SECONDS."""
        while self._is_read(self._first):
            self._first += 1
        return [wanted for wanted in self.state.wanted(self._first) if self._worth_a_look(wanted, now)]

    def fetch(self, now: int) -> bool:
        """Looks for everything that is missing, until nothing new is named. True when something was found.

        Raises StoreUnavailableError when the store as a whole cannot be asked.
        """
        changed = False
        while missing := self.missing(now):
            for wanted in missing:
                self._looked[wanted.kind, wanted.digest] = now
                delivered = Delivered(wanted, look_up(self._store, wanted))
                changed = changed or not isinstance(delivered.found, Lack)
                self.add(delivered)
        return self._derive_screened(now) or changed

    def look_again(self) -> None:
        """Whatever is missing is worth a look at once."""
        self._looked.clear()
        self._tried = (0, 0)

    def awaits_openings(self, now: int) -> bool:
        """Of an ended round it is not known what its openings say, and that is worth a look."""
        number = unscreened(self.state) if self._derives else 0
        return bool(number) and (self._tried[0] != number or now >= self._tried[1] + RETRY_SECONDS)

    def _derive_screened(self, now: int) -> bool:
        if not self.awaits_openings(now):
            return False
        before = len(self.state.screened)
        try:
            for screened in derive_screened(self.state, self._store):
                self.add(screened)
        except UnderivableError as error:
            number, tried = unscreened(self.state), self._tried[0]
            self._tried = number, now
            if number != tried:
                log.warning("openings not derived; asked again", task=self.state.task, round=number, why=str(error))
        return len(self.state.screened) > before

    def _worth_a_look(self, wanted: Wanted, now: int) -> bool:
        if wanted.kind not in self._kinds or not self._may_come(wanted):
            return False
        looked = self._looked.get((wanted.kind, wanted.digest))
        return looked is None or now >= looked + RETRY_SECONDS

    def _may_come(self, wanted: Wanted) -> bool:
        found = self.state.documents.get((wanted.kind, wanted.digest))
        return found is None or (isinstance(found, Absent) and found.lack is not Lack.MALFORMED)

    def _is_read(self, number: int) -> bool:
        """Nothing more will be wanted of this round."""
        facts = self.state.round(number)
        if facts is None or facts.running or number == len(self.state.rounds):
            return False
        return not any(self._may_come(w) for w in self.state.wanted_of(number) if w.kind in self._kinds)


def look_up(store: ContentStore, wanted: Wanted) -> bytes | Lack:
    """Verified bytes, or why there are none. Raises StoreUnavailableError."""
    return read_content(store, wanted.digest, wanted.max_bytes)
