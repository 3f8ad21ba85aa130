"""A server that folds each ciphertext on arrival, and how much memory that takes beyond one ciphertext.

``python -m scripts.bench.streaming CLIENTS DIMENSION`` is the server, alone in its process; clients and authorities are
processes at the other end of pipes. Prints one JSON line. Linux only: the peak of resident memory is the kernel's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from protocol.encryption.suite import prepare
from scripts.bench.machine import cores
from scripts.bench.ours import LABEL
from scripts.bench.streaming_parties import PATTERNS, STREAMED_SYSTEM, patterns
from scripts.bench.workload import Integers
from scripts.launcher import module_command

_STATUS: Final = Path("/proc/self/status")
_PIPE_BYTES: Final = 1 << 20
_RESET: Final = Path("/proc/self/clear_refs")


def stream(clients: int, dimension: int) -> dict[str, Any]:
    """The figures of one streamed round, whose sum was exact."""
    prepare()
    _play(3, 8)  # loads what decryption loads
    seconds, extra = _play(clients, dimension)
    return {
        "clients": clients,
        "dimension": dimension,
        "suite": STREAMED_SYSTEM.suite,
        "ciphertext_megabytes": STREAMED_SYSTEM.encoding.body_bytes(dimension) / 1e6,
        "extra_megabytes": round(extra / 1e6, 2),
        "seconds": round(seconds, 1),
    }


def _play(clients: int, dimension: int) -> tuple[float, int]:
    """Seconds from the first ciphertext to the decrypted sum, clients included, and bytes beyond one ciphertext."""
    system, scheme, encoding = STREAMED_SYSTEM, STREAMED_SYSTEM.scheme, STREAMED_SYSTEM.encoding
    partials = {j: _read_all("authority", j, clients, dimension) for j in range(1, system.t + 1)}
    _RESET.write_text("5")  # the peak starts anew
    before, started = _resident("VmRSS"), time.perf_counter()
    aggregator = scheme.aggregator(encoding, dimension)
    for body in _arrivals(clients, dimension, encoding.body_bytes(dimension)):
        aggregator.fold(body, 1)
    key = scheme.combine(partials, system.m, system.t, encoding, dimension)
    sums = scheme.decrypt(aggregator.words, LABEL, key, encoding, dimension, [1] * clients).sums
    seconds, extra = time.perf_counter() - started, _resident("VmHWM") - before
    if not np.array_equal(sums, expected_sum(clients, dimension)):
        raise ArithmeticError("the streamed sum is not the plain one")
    return seconds, extra - encoding.body_bytes(dimension)


def _arrivals(clients: int, dimension: int, body_bytes: int) -> Iterator[bytes]:
    """Ciphertexts from as many processes of clients as there are cores, in turn."""
    step = cores()
    processes = [_start("clients", first, clients, step, dimension) for first in range(step)]
    try:
        for client in range(clients):
            yield _output(processes[client % step]).read(body_bytes)
    finally:
        for process in processes:
            _output(process).close()
            process.wait()


def _read_all(*arguments: str | int) -> bytes:
    process = _start(*arguments)
    with _output(process) as answer:
        data = answer.read()
    process.wait()
    return data


def _start(*arguments: str | int) -> subprocess.Popen[bytes]:
    command = [*module_command("scripts.bench.streaming_parties"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, pipesize=_PIPE_BYTES)


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None  # it was asked for
    return process.stdout


def expected_sum(clients: int, dimension: int) -> Integers:
    """The plain sum of what the streamed clients send."""
    total = np.zeros(dimension, np.int64)
    for number, values in enumerate(patterns(dimension)):
        total += values * len(range(number, clients, PATTERNS))
    return total


def _resident(field: str) -> int:
    """Bytes: ``VmRSS`` now, ``VmHWM`` at most since the reset."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"the kernel does not tell {field}")


if __name__ == "__main__":
    print(json.dumps(stream(int(sys.argv[1]), int(sys.argv[2]))))
