"""The whole benchmark of the encryption, in order, in one process, peers in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scripts.bench import machine, ratios, targets
from scripts.bench.environments import PEERS, PeerMissingError, measure_peer
from scripts.bench.ours import SYSTEMS, measure_system
from scripts.bench.systems import Row, peer_row, significant

Say = Callable[[str], None]


def run(clients: int, dimension: int, peers: Sequence[str], large: bool, say: Say) -> dict[str, Any]:
    """The JSON document. ``large``: also the sizes of the targets that need gigabytes and minutes."""
    about = machine.describe()
    if machine.is_busy():
        say(f"load average {about['load_average']}: something else computes here, so the timings are too long")
    say("read bandwidth")
    bandwidth = machine.read_bandwidth(machine.BUFFER_BYTES)
    systems: list[Row] = []
    for system in SYSTEMS:
        if clients <= system.most_clients:
            say(f"{system.name}, {clients} x {dimension:,}")
            systems.append(measure_system(system, clients, dimension))
    ours, missing = systems[0], {}
    compared: list[Row] = []
    for name in peers:
        say(PEERS[name].title if name in PEERS else name)
        try:
            compared.append(peer_row(name, clients, dimension, measure_peer(name, clients, dimension)))
        except PeerMissingError as error:
            missing[name] = str(error)
            say(f"{name} is missing: {error}")
    fastest = max(bandwidth.values())
    result = {
        "machine": about,
        "read_bandwidth_gb_s": significant(fastest),
        "read_bandwidth_by_threads": {str(threads): significant(speed) for threads, speed in bandwidth.items()},
        "systems": systems + compared,
        "missing": missing,
        "ratios": ratios.ratios(ours, compared),
        "bandwidth_fraction": None,
    }
    result["targets"] = targets.judge(result)
    return result
