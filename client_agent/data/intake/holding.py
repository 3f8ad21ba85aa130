"""How single readings become what an appliance drew: a reading holds until the next, as long as its plug can be relied
on to speak up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.intake.findings import Measurement, Refusal
from client_agent.data.intake.plugs import Series
from client_agent.data.intake.quantities import MAX_WATTS

EARLIEST: Final = 1_577_836_800  # 2020: a clock before it was never set
HELD_SECONDS: Final = 3600  # of silence of a plug that never says whether it is there
HELD_AVAILABLE_SECONDS: Final = 24 * 3600  # of one that does
REPEAT_SECONDS: Final = 300  # after which an unchanged reading is stored again
JUMP_SECONDS: Final = 3600  # a clock that goes back by more was wrong before
COUNTER_SLACK: Final = 1000.0  # Wh
MINUTE: Final = 60
MEASURED_SECONDS: Final = 30  # of a minute, at least
_AFTER: Final = 1  # second from a reading to a gap that begins at once
_SLIP_SECONDS: Final = 5  # that a clock is set back by now and then: what arrives counts as of the last row
Row = tuple[int, float | None]  # seconds since 1970; watts, None where a gap begins


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a plug after its last message. ``row_at``: when a row was stored last. ``clock`` and ``stamp``:
    the plug's own time. ``counter``: Wh."""

    watts: float | None = None
    row_at: int | None = None
    seen: int | None = None
    clock: float | None = None
    stamp: str = ""
    counter: float | None = None
    counter_at: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """``row``: to store. ``drop_after``: rows later than that are of a clock that was wrong. ``used``: Wh. ``why``:
    what has to be counted."""

    held: Held
    row: Row | None = None
    drop_after: int | None = None
    used: float = 0.0
    why: tuple[Refusal, ...] = ()


def power(held: Held, one: Measurement, now: int) -> Step:
    """A reading of watts that arrived at ``now``, by this machine's clock."""
    checked = _in_time(held, one, now)
    if checked.held is held and checked.why:
        return checked
    if one.stamp and one.stamp == held.stamp and one.value == held.watts:
        return Step(held, why=(Refusal.DUPLICATE,))
    known = replace(checked.held, watts=one.value, seen=now, stamp=one.stamp)
    lately = known.row_at is not None and now - known.row_at < REPEAT_SECONDS
    if one.value == held.watts and (lately or one.value is None):
        return replace(checked, held=known)
    at = now if known.row_at is None else max(now, known.row_at)
    return replace(checked, held=replace(known, row_at=at), row=(at, one.value))


def energy(held: Held, one: Measurement, now: int) -> Step:
    """A counter's reading. One that went back was reset or wrapped, and counts from there."""
    checked = _in_time(held, one, now)
    if (checked.held is held and checked.why) or one.value is None:
        return checked
    known = replace(checked.held, seen=now, counter=one.value, counter_at=now)
    if held.counter is None or held.counter_at is None:
        return replace(checked, held=known)
    used, hours = one.value - held.counter, max(0, now - held.counter_at) / 3600
    if used < 0.0:
        return replace(checked, held=known, why=(*checked.why, Refusal.COUNTER_RESET))
    if used > MAX_WATTS * hours + COUNTER_SLACK:
        return replace(checked, held=known, why=(*checked.why, Refusal.SPIKE))
    return replace(checked, held=known, used=used)


def gap(held: Held, now: int) -> Step:
    """From ``now`` on nothing is known."""
    if held.watts is None:
        return Step(held)
    at = max(now, (held.row_at or 0) + _AFTER)
    return Step(replace(held, watts=None, row_at=at), (at, None))


def _in_time(held: Held, one: Measurement, now: int) -> Step:
    """With ``held`` itself where the reading is not used."""
    if now < EARLIEST:
        return Step(held, why=(Refusal.CLOCK,))
    why: tuple[Refusal, ...] = ()
    drop_after, clock, before = None, held.clock, held.row_at
    if before is not None and now < before - _SLIP_SECONDS:
        if before - now <= JUMP_SECONDS:
            return Step(held, why=(Refusal.CLOCK,))
        why, drop_after, before = (Refusal.CLOCK,), now, None
    if one.at is not None and one.at < EARLIEST:
        why = (Refusal.CLOCK,)  # the plug's clock was not set yet; ours counts
    elif one.at is not None:
        if clock is not None and clock - JUMP_SECONDS <= one.at < clock:
            return Step(held, why=(Refusal.LATE,))
        why = (Refusal.CLOCK,) if clock is not None and one.at < clock else why
        clock = one.at
    return Step(replace(held, clock=clock, row_at=before), drop_after=drop_after, why=why)


def series(rows: Sequence[Row], since: int, until: int, alive: int | None, tells_availability: bool) -> Series:
    """Of ``rows`` in order, the first of which may be before ``since``: what held from ``since`` to ``until``.

    ``alive``: until when somebody listened; after it the last row does not hold.
    """
    if not rows:
        return Series(np.zeros(0, dtype=np.int64), np.zeros(0))
    times = np.array([at for at, _ in rows], dtype=np.int64)
    watts = np.array([np.nan if value is None else value for _, value in rows])
    longest = HELD_AVAILABLE_SECONDS if tells_availability else HELD_SECONDS
    ends = times + longest
    if alive is not None:
        ends[-1] = min(ends[-1], max(alive, int(times[-1])) + 1)
    nexts = np.append(times[1:], until)
    silent = np.flatnonzero((ends < nexts) & ~np.isnan(watts))
    times = np.insert(times, silent + 1, ends[silent])
    watts = np.insert(watts, silent + 1, np.nan)
    first = int(np.searchsorted(times, since, side="right")) - 1
    if first >= 0:
        times, watts = times[first:].copy(), watts[first:]
        times[0] = since
    kept = times < until
    return Series(times[kept], watts[kept])


def minutes(found: Series, since: int, until: int) -> npt.NDArray[np.float32]:
    """Mean, highest and lowest of each whole minute of ``since`` to ``until``, shape (3, minutes); NaN for a minute of
    which less than ``MEASURED_SECONDS`` are known."""
    first, last = -(-since // MINUTE) * MINUTE, until // MINUTE * MINUTE
    seconds = np.arange(first, max(first, last), dtype=np.int64)
    if not len(found.times):
        return np.full((3, len(seconds) // MINUTE), np.nan, dtype=np.float32)
    places = np.searchsorted(found.times, seconds, side="right") - 1
    held = np.where(places >= 0, found.watts[places], np.nan).reshape(-1, MINUTE)
    known = ~np.isnan(held)
    count = known.sum(axis=1)
    mean = np.where(known, held, 0.0).sum(axis=1) / np.maximum(1, count)
    highest, lowest = np.where(known, held, -np.inf).max(axis=1), np.where(known, held, np.inf).min(axis=1)
    found_minutes = np.stack([mean, highest, lowest])
    found_minutes[:, count < MEASURED_SECONDS] = np.nan
    return found_minutes.astype(np.float32)
