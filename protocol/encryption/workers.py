"""Work in two or more parts at once; the compiled loops do not hold the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import numba

T = TypeVar("T")


def in_parts(part: Callable[[int, int], T], count: int, least: int) -> list[T]:
    """What ``part(start, end)`` gives for consecutive ranges of ``count`` items: one per processor, if each gets
    ``least`` of them."""
    parts = max(1, min(numba.config.NUMBA_NUM_THREADS, count // least))
    bounds = [count * i // parts for i in range(parts + 1)]
    if parts == 1:
        return [part(0, count)]
    return list(_pool().map(part, bounds[:-1], bounds[1:]))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS, "encryption")
