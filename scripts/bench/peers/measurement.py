"""What a peer's process prints: its timings at the size it ran, how far its sums are off, what it sent.

A peer is a module with ``measure(workload) -> Measurement``. It runs in its own environment as
``python -m scripts.bench.peers.measurement MODULE CLIENTS DIMENSION`` and prints one JSON line, the last one.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from scripts.bench.timing import Timing
from scripts.bench.workload import Workload, heaviest_for


@dataclass(frozen=True)
class Measurement:
    """``dimension`` is what ran; ``error`` the largest deviation from the integer sum, in units of the integers."""

    suite: str
    dimension: int
    bytes_per_client: int
    timings: Mapping[str, Timing]  # client_ms and server_ms, and more; milliseconds
    error: float
    tolerance: float
    versions: Mapping[str, str]
    functional_key_bytes: int | None = None
    rounds: int = 1
    notes: str = ""


def check_error(error: float, tolerance: float) -> float:
    """The error, if it is what the peer promises. Raises ArithmeticError: a wrong sum has no timing."""
    if not error <= tolerance:
        raise ArithmeticError(f"the sum is off by {error}, more than {tolerance}")
    return error


def main() -> None:
    module, clients, dimension = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    peer = importlib.import_module(f"scripts.bench.peers.{module}")
    result: Measurement = peer.measure(Workload(clients, dimension, heaviest=heaviest_for(clients)))
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
