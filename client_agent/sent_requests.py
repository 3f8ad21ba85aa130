"""How many requests left one task's phone, of which kind and of how many bytes: what the journal does not list.

The count is kept in a file of its own beside the journal, once a minute and at the end: polls are too many for the
journal. A kill may lose what was counted since.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import structlog

from protocol.canonical import decode, encode
from protocol.errors import HearthError
from protocol.identifiers import Range
from storage.bounded_file import read_bounded
from storage.durable_file import write_file_atomically

log = structlog.get_logger()
REQUESTS: Final = "requests"  # file in the folder of a task
MAX_BYTES: Final = 64 * 1024
SAVE_SECONDS: Final = 60.0


class Asked(StrEnum):
    """Kinds of requests, to edge servers unless said otherwise."""

    WINDOW_KEYS = "window keys"  # of the authorities, for an enrolment
    VOUCHER = "voucher"  # blinded, with the code of the appliance
    ENROLMENT = "enrolment"
    LEAVE = "leave"
    NEXT_ROUND = "next round"
    PLAN = "plan"  # as far as it concerns this account
    STATEMENT = "statement"
    COMMITMENT = "commitment"
    INCLUSION = "inclusion proof"
    ENTITLEMENT = "entitlement"
    CLAIM = "claim"
    IDENTITY = "identity"  # of a server that is not understood: it may be of another version
    CHAIN = "chain"  # to the chain's node, transactions too


Tally = Callable[[Asked, int], None]  # of one request, of so many bytes

Large = Annotated[int, Range(0, 2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Counted:
    """``count`` requests of one kind, with ``size`` bytes in all: first lines, headers and bodies."""

    kind: Annotated[str, Range(1, 40)]
    count: Large
    size: Large


@dataclass(frozen=True, slots=True)
class Counts:
    kinds: Annotated[tuple[Counted, ...], Range(0, 100)]


class Requests:
    """Of one task's phone. For threads. ``path``: None keeps nothing. ``monotonic``: seconds."""

    def __init__(self, path: Path | None, monotonic: Callable[[], float]) -> None:
        self._path, self._monotonic = path, monotonic
        self._mutex = threading.Lock()
        self._counts = {one.kind: (one.count, one.size) for one in _kept(path)}
        self._saved = monotonic()

    def add(self, kind: Asked, size: int) -> None:
        """Raises nothing: a full disk stops no request."""
        with self._mutex:
            count, before = self._counts.get(kind, (0, 0))
            self._counts[kind] = count + 1, before + size
            due = self._monotonic() - self._saved >= SAVE_SECONDS
        if due:
            self.save()

    def counts(self) -> tuple[Counted, ...]:
        """By kind, in the order of :class:`Asked`."""
        with self._mutex:
            found = dict(self._counts)
        return tuple(Counted(kind, *found[kind]) for kind in Asked if kind in found)

    def save(self) -> None:
        if self._path is None:
            return
        self._saved = self._monotonic()
        try:
            write_file_atomically(self._path, encode(Counts(self.counts())), 0o600)
        except OSError as error:
            log.warning("count of requests not kept", error=str(error))


def _kept(path: Path | None) -> tuple[Counted, ...]:
    """None of a file that is not there, or is broken: then the count begins anew."""
    if path is None or not path.exists():
        return ()
    try:
        return decode(Counts, read_bounded(path, MAX_BYTES), MAX_BYTES).kinds
    except (OSError, HearthError) as error:
        log.warning("count of requests not read", error=str(error))
        return ()
