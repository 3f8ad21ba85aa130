"""The machine: what it is, whether it idles, and how fast it can read memory.

The bandwidth is what the encryption's sum is compared with, so it is measured in the same process, with a loop that
reads as the sum does, four bodies side by side and tile by tile, and does nothing else: one addition per 64-bit word.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numba
import numpy as np
import numpy.typing as npt

from protocol.encryption.weighted_kernels import pointer
from scripts.bench.timing import REPETITIONS, Timing, repeat

Buffer = bytes | memoryview

BUFFER_BYTES = 1 << 30
_STREAMS, _TILE, _TOGETHER = 4, 16384, 64  # as protocol.encryption.weighted_words and its kernels read
_BUSY = 0.25  # load average of one minute, per core
_PACKAGES = ("numpy", "numba", "cryptography")


def describe() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, versions, load average."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_average": round(os.getloadavg()[0], 2),
    }


def cores() -> int:
    return len(os.sched_getaffinity(0))


def is_busy() -> bool:
    """Whether something else computes here: then the timings are too long and the ratios vague."""
    return os.getloadavg()[0] > _BUSY * cores()


def available_bytes() -> int:
    """Memory that can be taken without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    return 0


def read_bandwidth(buffer_bytes: int, repetitions: int = REPETITIONS) -> dict[int, float]:
    """GB/s (10^9 bytes) by number of threads, one and all cores: the best of the repetitions."""
    words = np.arange(buffer_bytes // 8, dtype=np.uint64)
    return {threads: _bandwidth(words, threads, repetitions) for threads in sorted({1, cores()})}


def _bandwidth(words: npt.NDArray[np.uint64], threads: int, repetitions: int) -> float:
    with Reader([part.data for part in words.reshape(_STREAMS, -1)], threads) as reader:
        timing: Timing = repeat(reader.read, lambda _: None, repetitions)
    return words.nbytes / timing.minimum / 1e6


class Reader:
    """Reads bodies of one length, a multiple of 8 bytes, in ``threads`` threads (all cores), and does nothing else.

    Every thread reads its own part of all bodies.
    """

    def __init__(self, bodies: Sequence[Buffer], threads: int | None = None) -> None:
        count = threads or cores()
        self._pool = ThreadPoolExecutor(count)
        self._words = [np.frombuffer(body, np.uint64) for body in bodies]
        self._groups = [
            np.array([words.ctypes.data for words in self._words[k : k + _TOGETHER]], np.uint64)
            for k in range(0, len(self._words), _TOGETHER)
        ]
        self._bounds = [len(self._words[0]) * i // count for i in range(count + 1)]
        self._expected = sum(int(words.sum()) for words in self._words) % (1 << 64)
        self.read()  # compiles

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def read(self) -> None:
        """Once. Raises ArithmeticError when not every word was read."""
        if sum(self._pool.map(self._read, self._bounds[:-1], self._bounds[1:])) % (1 << 64) != self._expected:
            raise ArithmeticError("the memory was not read")

    def _read(self, start: int, end: int) -> int:
        size, item = len(self._words[0]), np.empty(0, np.uint64)
        return sum(int(_sum(item, addresses, size, start, end)) for addresses in self._groups)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _sum(item: npt.NDArray[np.uint64], addresses: npt.NDArray[np.uint64], size: int, start: int, end: int) -> np.uint64:
    """Of the words from ``start`` to ``end`` of every body; ``item``: any array of such words."""
    total, n = np.uint64(0), len(addresses)
    for tile in range(start, end, _TILE):
        stop, k = min(tile + _TILE, end), 0
        while k + _STREAMS <= n:
            a = numba.carray(pointer(addresses[k], item), size)[tile:stop]
            b = numba.carray(pointer(addresses[k + 1], item), size)[tile:stop]
            c = numba.carray(pointer(addresses[k + 2], item), size)[tile:stop]
            d = numba.carray(pointer(addresses[k + 3], item), size)[tile:stop]
            for i in range(len(a)):
                total += (a[i] + b[i]) + (c[i] + d[i])
            k += _STREAMS
        while k < n:
            a = numba.carray(pointer(addresses[k], item), size)[tile:stop]
            for i in range(len(a)):
                total += a[i]
            k += 1
    return total


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
