"""Gas that transactions used, as their receipts say: read once, by a thread of its own, so no request waits for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeVar

import structlog
from pydantic import Field

from backend.api.fields import Number, Shown
from backend.api.news import task_of
from protocol.errors import HearthError
from protocol.identifiers import Digest, to_hex
from protocol.messages.chain import Event
from protocol.task.round_facts import RoundFacts

MOST_KEPT: Final = 50_000  # transactions that are remembered; the ones that were read first are forgotten first
MOST_WAITING: Final = 10_000  # to be read; whoever asks later asks again
AGAIN_SECONDS: Final = 60.0  # after which a receipt is asked for again that was not there

Lacking = Literal["awaited", "missing"]
Read = Callable[[Digest], int]  # units of gas of a mined transaction; raises HearthError
_Place = tuple[int, int, Digest]  # task, block, transaction: on another branch of the chain it may have used other gas

N = TypeVar("N", int, float)

_log = structlog.get_logger()


class RoundGas(Shown):
    """Units of gas that the round's transactions used so far. A step is null where it has no transaction, or no receipt
    that this server has read."""

    opened: Number | None
    batched: Number | None
    screening: Number | None
    requested: Number | None
    ended: Number | None
    direct: Number | None = Field(description="of commitments that clients sent themselves, together")
    total: Number | None = Field(description="of all of these; null while a receipt is lacking", examples=[429_756])
    per_update: Number | None = Field(description="of it for each accepted update, rounded", examples=[42_976])
    lacking: Lacking | None = Field(
        description="why there is no total. awaited: a receipt is still to be read; missing: the chain gave none"
    )


class GasBook:
    """May be shared by threads. ``clock`` runs on, in seconds."""

    def __init__(self, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock, self._lock = read, clock, threading.Lock()
        self._known: dict[_Place, int] = {}
        self._missing: dict[_Place, float] = {}  # until when nobody asks again
        self._waiting: dict[_Place, None] = {}  # in the order of asking; with the one that is being read
        self._working = False
        self._news = Counter[int]()

    def news(self, task: int) -> int:
        """Changes whenever something else is known of the task's transactions."""
        return self._news[task]

    def used(self, event: Event) -> int | Lacking:
        """By the transaction of an event of a task. What is not known yet is read soon."""
        place = (task_of(event), event.block, event.transaction)
        with self._lock:
            if place in self._known:
                return self._known[place]
            if self._clock() < self._missing.get(place, 0.0):
                return "missing"
            if len(self._waiting) < MOST_WAITING:
                self._waiting[place] = None
            start, self._working = not self._working, True
        if start:
            threading.Thread(target=self._work, name="gas", daemon=True).start()
        return "awaited"

    def _work(self) -> None:
        """Until nothing waits."""
        try:
            while (place := self._next()) is not None:
                self._look(place)
        except BaseException:
            with self._lock:
                self._working = False
            raise

    def _next(self) -> _Place | None:
        with self._lock:
            place = next(iter(self._waiting), None)
            self._working = place is not None
            return place

    def _look(self, place: _Place) -> None:
        gas: int | None = None
        try:
            gas = self._read(place[2])
        except HearthError as error:
            _log.warning("no receipt", transaction=to_hex(place[2]), error=str(error))
        finally:
            with self._lock:
                self._waiting.pop(place, None)
                self._missing.pop(place, None)
                if gas is None:
                    _keep(self._missing, place, self._clock() + AGAIN_SECONDS)
                else:
                    _keep(self._known, place, gas)
                self._news[place[0]] += 1


def _keep(kept: dict[_Place, N], place: _Place, value: N) -> None:
    while len(kept) >= MOST_KEPT:
        kept.pop(next(iter(kept)))
    kept[place] = value


def gas_of(book: GasBook, facts: RoundFacts, accepted: int | None) -> RoundGas:
    """Of one round; ``accepted``: updates in its sum, None where that is not known."""
    steps = {
        "opened": facts.opened, "batched": facts.batched, "screening": facts.screening, "requested": facts.requested,
        "ended": facts.ended,
    }  # fmt: skip
    found = {name: book.used(event) for name, event in steps.items() if event is not None}
    direct = {event.transaction: book.used(event) for event in facts.directs.values()}
    used = [*found.values(), *direct.values()]
    lacking = [one for one in used if isinstance(one, str)]
    total = None if lacking else _sum(used)
    return RoundGas(
        **{name: _sum([found[name]]) if name in found else None for name in steps},
        direct=_sum(list(direct.values())) if direct else None,
        total=total,
        per_update=round(total / accepted) if total is not None and accepted else None,
        lacking=None if not lacking else "awaited" if "awaited" in lacking else "missing",
    )


def _sum(used: Sequence[int | Lacking]) -> int | None:
    """None where one is lacking."""
    numbers = [one for one in used if isinstance(one, int)]
    return sum(numbers) if len(numbers) == len(used) else None
