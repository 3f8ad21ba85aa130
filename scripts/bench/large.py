"""A thousand clients with a million coordinates: 4 GB of ciphertexts, so that memory is what limits the server."""

from __future__ import annotations

from typing import Any, Final

from scripts.bench import machine
from scripts.bench.ours import FE64_SYSTEM, Round, row_of
from scripts.bench.systems import Row, significant
from scripts.bench.targets import LARGE

REPETITIONS: Final = 7
NEEDED_BYTES: Final = 7_000_000_000


def play() -> Round:
    """All clients have encrypted; their ciphertexts are in memory."""
    return Round(FE64_SYSTEM, FE64_SYSTEM.workload(*LARGE))


def measure(played: Round, bandwidth_gb_s: float) -> tuple[Row, dict[str, Any]]:
    """The row, and which share of the read bandwidth the server reaches; ``bandwidth_gb_s`` was measured before.

    The bandwidth is measured again with the ciphertexts in memory, and the higher figure counts.
    """
    result, server = row_of(played, REPETITIONS)
    fastest = max(bandwidth_gb_s, *machine.read_bandwidth(machine.BUFFER_BYTES).values())
    total = sum(map(len, played.bodies))

    def share(milliseconds: float) -> float:
        return significant(total / milliseconds / 1e6 / fastest)

    shares = {
        "bytes": total,
        "read_bandwidth_gb_s": significant(fastest),
        "aggregate": share(server.aggregate.minimum),
        "aggregate_median": share(server.aggregate.median),
        "aggregate_decrypt": share(server.aggregate_decrypt.minimum),
    }
    return result, shares
