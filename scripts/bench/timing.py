"""Timings: each is repeated, each result is checked against plain integers, minimum and median are kept.

Standard library only: the peers' environments use this module too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TypeVar

REPETITIONS = 5
LEAST_SECONDS = 0.5  # something short is repeated for so long, or its best would be of one moment of a shared machine

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Milliseconds of ``repetitions`` runs of one thing."""

    minimum: float
    median: float
    repetitions: int

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Timing:
        runs = sorted(seconds)
        return cls(1000 * runs[0], 1000 * statistics.median(runs), len(runs))

    def times(self, factor: float) -> Timing:
        """The same, extrapolated linearly."""
        return Timing(self.minimum * factor, self.median * factor, self.repetitions)

    def as_json(self) -> dict[str, float]:
        return asdict(self)


def clock(function: Callable[[], T]) -> tuple[float, T]:
    """Seconds that one call took, and what it returned."""
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


class Enough:
    """Counts runs until they are as many and as long as a timing asks for. Of what takes a microsecond there are half a
    million, so it never adds all of them up."""

    def __init__(self, repetitions: int = REPETITIONS) -> None:
        self._missing, self._missing_seconds = repetitions, LEAST_SECONDS

    def __bool__(self) -> bool:
        return self._missing <= 0 and self._missing_seconds <= 0

    def count(self, seconds: float) -> None:
        self._missing -= 1
        self._missing_seconds -= seconds


def alternate(
    function: Callable[[], T], yardstick: Callable[[], None], check: Callable[[T], None], repetitions: int = REPETITIONS
) -> tuple[Timing, Timing]:
    """Like :func:`repeat`, with a run of ``yardstick`` before each: both see the same moments of a shared machine."""
    ours: list[float] = []
    alone: list[float] = []
    enough = Enough(repetitions)
    while not enough:
        alone.append(clock(yardstick)[0])
        elapsed, result = clock(function)
        check(result)
        ours.append(elapsed)
        enough.count(elapsed)
    return Timing.of(ours), Timing.of(alone)


def repeat(function: Callable[[], T], check: Callable[[T], None], repetitions: int = REPETITIONS) -> Timing:
    """Time ``function``; ``check`` (not timed) raises when a result is wrong, so a wrong answer has no timing."""
    seconds: list[float] = []
    enough = Enough(repetitions)
    while not enough:
        elapsed, result = clock(function)
        check(result)
        seconds.append(elapsed)
        enough.count(elapsed)
    return Timing.of(seconds)
