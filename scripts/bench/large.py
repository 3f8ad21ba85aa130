"""A thousand clients with a million coordinates: 4 GB of ciphertexts, so that memory is what limits the server.

What memory gives changes from one second to the next where a machine is shared. So the same ciphertexts are read, by a
loop that only reads, between the runs that add them up; best is compared with best.
"""

from __future__ import annotations

from typing import Any, Final

from scripts.bench import machine
from scripts.bench.ours import FE64_SYSTEM, Round, open_sum, row_of
from scripts.bench.systems import Row, significant
from scripts.bench.targets import LARGE
from scripts.bench.timing import clock

REPETITIONS: Final = 25
NEEDED_BYTES: Final = 7_000_000_000


def play() -> Round:
    """All clients have encrypted; their ciphertexts are in memory."""
    return Round(FE64_SYSTEM, FE64_SYSTEM.workload(*LARGE))


def measure(played: Round) -> tuple[Row, dict[str, Any]]:
    """The row, and which share of the bandwidth of reading the ciphertexts the server reaches."""
    result, _ = row_of(played)
    partials, total = played.partial_keys(), sum(map(len, played.bodies))
    with machine.Reader(played.bodies) as reader:
        runs = [(clock(reader.read)[0], *open_sum(played, partials)) for _ in range(REPETITIONS)]
    reading = min(read for read, *_ in runs)
    return result, {
        "bytes": total,
        "repetitions": REPETITIONS,
        "read_bandwidth_gb_s": significant(total / reading / 1e9),
        "aggregate": significant(reading / min(aggregating for _, aggregating, *_ in runs)),
        "aggregate_decrypt": significant(reading / min(run[1] + run[3] for run in runs)),
    }
