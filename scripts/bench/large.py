"""A thousand clients with a million coordinates: 4 GB of ciphertexts, so that memory is what limits the server.

What memory gives changes from one second to the next where a machine is shared. So the same ciphertexts are read, by a
loop that only reads, between the runs that add them up, and each run is compared with its neighbour.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from scripts.bench import machine
from scripts.bench.ours import FE64_SYSTEM, Round, decrypt_sum, row_of
from scripts.bench.systems import Row, significant
from scripts.bench.targets import LARGE
from scripts.bench.timing import clock

REPETITIONS: Final = 25
NEEDED_BYTES: Final = 7_000_000_000


def play() -> Round:
    """All clients have encrypted; their ciphertexts are in memory."""
    return Round(FE64_SYSTEM, FE64_SYSTEM.workload(*LARGE))


def measure(played: Round) -> tuple[Row, dict[str, Any]]:
    """The row, and which share of the bandwidth of reading the ciphertexts the server reaches.

    Each run stands beside a reading of its own moment, and the share is the median of those pairs: on a shared machine
    memory is half as fast again from one second to the next, and the best reading over the best run compares moments.
    """
    result = row_of(played)
    partials, total = played.partial_keys(), sum(map(len, played.bodies))
    with machine.Reader(played.bodies) as reader:
        runs = [(clock(reader.read)[0], *decrypt_sum(played, partials)) for _ in range(REPETITIONS)]
    reading = min(read for read, *_ in runs)
    pairs = [(read, aggregating, aggregating + decrypting) for read, aggregating, _, decrypting in runs]
    return result, {
        "bytes": total,
        "repetitions": REPETITIONS,
        "read_bandwidth_gb_s": significant(total / reading / 1e9),
        "aggregate": significant(median(read / aggregating for read, aggregating, _ in pairs)),
        "aggregate_decrypt": significant(median(read / decrypted for read, _, decrypted in pairs)),
        "aggregate_best_over_best": significant(reading / min(aggregating for _, aggregating, _ in pairs)),
        "aggregate_decrypt_best_over_best": significant(reading / min(decrypted for _, _, decrypted in pairs)),
    }
