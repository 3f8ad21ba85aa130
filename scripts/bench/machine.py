"""The machine: what it is, whether it idles, and how fast it can read memory.

The bandwidth is what the encryption's sum is compared with, so it is measured in the same process, with a kernel that
does nothing but read: one addition per 64-bit word.
"""

from __future__ import annotations

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from scripts.bench.timing import REPETITIONS, Timing, repeat

BUFFER_BYTES = 1 << 30
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
    expected = int(words.sum())  # modulo 2^64, as the kernel's
    return {threads: _bandwidth(words, threads, expected, repetitions) for threads in sorted({1, cores()})}


def _bandwidth(words: npt.NDArray[np.uint64], threads: int, expected: int, repetitions: int) -> float:
    parts = np.array_split(words, threads)
    with ThreadPoolExecutor(threads) as pool:

        def read() -> int:
            return sum(int(part) for part in pool.map(_sum, parts)) % (1 << 64)

        def check(total: int) -> None:
            if total != expected:
                raise ArithmeticError("the memory was not read")

        read()  # compiles
        timing: Timing = repeat(read, check, repetitions)
    return words.nbytes / timing.minimum / 1e6


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def _sum(words: npt.NDArray[np.uint64]) -> np.uint64:
    total = np.uint64(0)
    for word in words:
        total += word
    return total


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
