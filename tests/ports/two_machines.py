"""Two machines of a cluster, each a network namespace with a worker; one of them is cut off and killed at work.

``python -m tests.ports.two_machines`` needs root. The sum must be right, by workers alone; it prints what it cost.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from backend.aggregation.dask_executor import DaskExecutor
from backend.aggregation.executor import IN_PROCESS
from scripts.bench.aggregation_round import AggregationRound, aggregation_round
from scripts.bench.cluster_parts import ClusterParts
from storage.content.kubo_client import KuboStore
from storage.content.memory import MemoryStore
from tests.ports.gated_store import GatedStore

CLIENTS, DIMENSION = 200, 50_000
NETWORK: Final = "198.18.27"  # of RFC 2544: for such tests alone
BRIDGE: Final = f"{NETWORK}.1"
UNABLE: Final = 3


class Machines:
    """Two namespaces on one bridge; ``names`` are of both, and of each one's cable on this side."""

    def __init__(self) -> None:
        self.names = [f"hearth{os.getpid()}-{number}" for number in (1, 2)]
        self.bridge = f"hb{os.getpid()}"
        self.addresses = [f"{NETWORK}.{number + 1}" for number in (1, 2)]
        self.cables = [f"hv{os.getpid()}-{number}" for number in (1, 2)]

    def build(self) -> None:
        _ip("link", "add", self.bridge, "type", "bridge")
        _ip("addr", "add", f"{BRIDGE}/24", "dev", self.bridge)
        _ip("link", "set", self.bridge, "up")
        for name, address, cable in zip(self.names, self.addresses, self.cables, strict=True):
            _ip("netns", "add", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", cable, "master", self.bridge, "up")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")

    def pull_cable(self, number: int) -> None:
        """Nothing says to the others that this machine is gone."""
        _ip("link", "set", self.cables[number], "down")

    def remove(self) -> None:
        for name in self.names:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", name)
        for link in (*self.cables, self.bridge):
            with suppress(subprocess.CalledProcessError):  # gone with its namespace
                _ip("link", "delete", link)


@contextmanager
def _machines() -> Iterator[Machines]:
    machines = Machines()
    try:
        machines.build()
        yield machines
    finally:
        machines.remove()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _seconds(executor: DaskExecutor, made: AggregationRound, words: npt.NDArray[np.uint64]) -> float:
    """Of a sum by workers alone: the server's own store is empty."""
    started = time.perf_counter()
    verdict, total = executor.verify_updates(MemoryStore(), made.scheme, made.committed, lambda _: None)
    if verdict.rejected or not np.array_equal(total.words, words):
        raise AssertionError("the workers' sum is not the one of this process")
    return time.perf_counter() - started


def main() -> int:
    with _machines() as machines, tempfile.TemporaryDirectory() as folder, GatedStore(BRIDGE) as gate:
        store = KuboStore(gate.url)
        made = aggregation_round(store, CLIENTS, DIMENSION)
        _, expected = IN_PROCESS.verify_updates(store, made.scheme, made.committed, lambda _: None)
        with ClusterParts(Path(folder) / "parts", BRIDGE) as parts:
            for number, (name, address) in enumerate(zip(machines.names, machines.addresses, strict=True), 1):
                parts.start_workers(f"worker-{number}", before=["ip", "netns", "exec", name], host=address)
            executor = DaskExecutor(parts.cluster(gate.url))
            undisturbed = _seconds(executor, made, expected.words)

            def kill_the_asker() -> None:
                number = machines.addresses.index(gate.wait()[0])
                machines.pull_cable(number)
                parts.kill(f"worker-{number + 1}")
                gate.release()

            gate.arm(CLIENTS // 2)
            killer = threading.Thread(target=kill_the_asker)
            killer.start()
            disturbed = _seconds(executor, made, expected.words)
            killer.join()
    print(json.dumps({"undisturbed_seconds": round(undisturbed, 1), "machine_killed_seconds": round(disturbed, 1)}))
    return 0


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("## NO MACHINE WAS KILLED: network namespaces need root", file=sys.stderr)
        sys.exit(UNABLE)
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        print(f"## NO MACHINE WAS KILLED: {error.stderr.decode(errors='replace').strip()}", file=sys.stderr)
        sys.exit(UNABLE)
