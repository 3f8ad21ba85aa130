"""The whole benchmark of the encryption, in order, in one process; peers in processes of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from protocol.encryption.suite import prepare
from scripts.bench import large, machine, ratios, spot_audit, start_up, targets
from scripts.bench.environments import PEERS, measure_peer
from scripts.bench.ours import SYSTEMS, measure_system
from scripts.bench.systems import Row, peer_row, significant
from scripts.checks.locked_environment import ProgramMissingError
from scripts.guard import run_guarded
from scripts.launcher import module_command

Say = Callable[[str], None]


def run(clients: int, dimension: int, peers: Sequence[str], with_large: bool, say: Say) -> dict[str, Any]:
    """The JSON document. ``with_large``: also the sizes of the targets that need gigabytes and minutes."""
    result: dict[str, Any] = {"machine": machine.describe()}
    if machine.is_busy():
        say(f"load average {result['machine']['load_average']}: something else computes here, all timings are too long")
    prepare()
    say("read bandwidth")
    bandwidth = machine.read_bandwidth(machine.BUFFER_BYTES)
    fastest = max(bandwidth.values())
    missing: dict[str, str] = {}
    ours = _measure_ours(clients, dimension, say)
    compared = _measure_peers(clients, dimension, peers, missing, say)
    result |= {
        "read_bandwidth_gb_s": significant(fastest),
        "read_bandwidth_by_threads": {str(threads): significant(speed) for threads, speed in bandwidth.items()},
        "systems": ours + compared,
        "missing": missing,
        "ratios": ratios.ratios(compared),
        "bandwidth_fraction": significant(_aggregation_gb_s(ours[0]) / fastest),
    }
    if with_large:
        _measure_large(result, say)
    result["targets"] = targets.assess(result)
    return result


def _measure_ours(clients: int, dimension: int, say: Say) -> list[Row]:
    rows = []
    for system in SYSTEMS:
        if clients <= system.most_clients:
            say(f"{system.name}, {clients:,} x {dimension:,}")
            rows.append(measure_system(system, clients, dimension))
    return rows


def _measure_peers(clients: int, dimension: int, peers: Sequence[str], missing: dict[str, str], say: Say) -> list[Row]:
    """A peer that cannot be installed or fails goes into ``missing`` with its reason."""
    rows = []
    for name in peers:
        say(PEERS[name].title if name in PEERS else name)
        try:
            row = peer_row(name, clients, dimension, measure_peer(name, clients, dimension))
        except ProgramMissingError as error:
            missing[name] = str(error)
            say(f"{name} is missing: {error}")
            continue
        rows.append(row | {"beside": ratios.beside(measure_system(SYSTEMS[0], clients, dimension))})
    return rows


def _measure_large(result: dict[str, Any], say: Say) -> None:
    say("first and second process start")
    result["start_up"] = start_up.measure()
    say("streamed round, {:,} x {:,}".format(*targets.STREAMED))
    command = [*module_command("scripts.bench.streaming"), *map(str, targets.STREAMED)]
    ran = run_guarded(command, stdout=subprocess.PIPE)
    ran.check_returncode()
    result["streaming"] = json.loads(ran.stdout)
    if machine.available_bytes() < large.NEEDED_BYTES:
        result["missing"]["the large round"] = f"it needs {large.NEEDED_BYTES / 1e9:.0f} GB of free memory"
        return
    say("FE64, {:,} x {:,}".format(*targets.LARGE))
    played = large.play()
    row, shares = large.measure(played)
    say("spot audit")
    result["spot_audit"] = spot_audit.measure(played)
    result["systems"].append(row)
    result["large"] = shares
    result["read_bandwidth_gb_s"] = shares["read_bandwidth_gb_s"]
    result["bandwidth_fraction"] = shares["aggregate"]


def _aggregation_gb_s(row: Row) -> float:
    return float(row["bytes_per_coordinate"] * row["clients"] * row["dimension"] / row["aggregate_ms"] / 1e6)
