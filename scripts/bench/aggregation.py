"""Verification and sum of a round's ciphertexts: in this process, and on workers of a cluster of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.aggregation.dask_executor import DaskExecutor
from backend.aggregation.executor import IN_PROCESS, Executor
from backend.aggregation.verifier import VerifiedSum
from protocol.encryption.suite import prepare
from scripts.bench.aggregation_round import AggregationRound, aggregation_round
from scripts.bench.cluster_parts import ClusterParts
from scripts.bench.machine import describe
from scripts.bench.timing import Timing, repeat
from scripts.guard import Guard
from storage.content.filesystem import FilesystemStore

REPETITIONS = 3


def run(clients: int, dimension: int, workers: Sequence[int], tell: Callable[[str], None]) -> dict[str, Any]:
    """Seconds (best and median of at least three) of each; every sum was compared with that of this process."""
    prepare()
    with Guard() as guard:
        folder = guard.temporary_folder()
        store = FilesystemStore(folder / "store")
        tell(f"writes {clients} ciphertexts")
        made = aggregation_round(store, clients, dimension)
        _, expected = IN_PROCESS.verify_updates(store, made.scheme, made.committed, time.sleep)
        tell("in process")
        alone = _measured(IN_PROCESS, made, store, expected)
        clusters = []
        for count in workers:
            tell(f"dask, {count} worker(s)")
            clusters.append(_on_cluster(folder, guard.environment, count, made, store, expected))
        return {
            "machine": describe(),
            "clients": clients,
            "dimension": dimension,
            "suite": made.scheme.plan.suite,
            "ciphertext_bytes": made.scheme.body_bytes,
            "in_process": _figures(alone),
            "dask": [
                figures | {"over_in_process": round(alone.minimum / timing.minimum, 2)} for figures, timing in clusters
            ],
        }


def _on_cluster(
    folder: Path,
    environment: Any,
    count: int,
    made: AggregationRound,
    store: FilesystemStore,
    expected: VerifiedSum,
) -> tuple[dict[str, Any], Timing]:
    names = [f"worker-{number}" for number in range(1, count + 1)]
    started = time.perf_counter()
    with ClusterParts(folder / f"cluster-{count}", environment=environment) as parts:
        parts.start_workers(*names)
        up = time.perf_counter() - started
        idle = {
            "scheduler_megabytes": parts.resident_megabytes("scheduler"),
            "worker_megabytes": max(parts.resident_megabytes(name) for name in names),
        }
        timing = _measured(DaskExecutor(parts.cluster(str(store.folder))), made, store, expected)
    return {"workers": count, **_figures(timing), "start_seconds": round(up, 1), "idle": idle}, timing


def _measured(executor: Executor, made: AggregationRound, store: FilesystemStore, expected: VerifiedSum) -> Timing:
    def check(total: VerifiedSum) -> None:
        if total.clients != expected.clients or not np.array_equal(total.words, expected.words):
            raise ArithmeticError("a sum is not the one of this process")

    return repeat(
        lambda: executor.verify_updates(store, made.scheme, made.committed, time.sleep)[1], check, REPETITIONS
    )


def _figures(timing: Timing) -> dict[str, float]:
    return {"seconds": round(timing.minimum / 1000, 3), "median_seconds": round(timing.median / 1000, 3)}
