"""One row of the result for each system: what the issue of this benchmark names, and what stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.bench.timing import Timing

Row = dict[str, Any]


def row(
    name: str,
    suite: str,
    clients: int,
    dimension: int,
    timings: Mapping[str, Timing],
    bytes_per_coordinate: float,
    functional_key_bytes: int | None,
    **more: Any,
) -> Row:
    """``X_ms`` is the best of ``X_ms_repetitions`` runs, their median stands beside it."""
    result: Row = {
        "name": name,
        "suite": suite,
        "clients": clients,
        "dimension": dimension,
        "client_ms": None,
        "bytes_per_coordinate": significant(bytes_per_coordinate),
        "server_ms": None,
        "authority_ms": None,
        "functional_key_bytes": functional_key_bytes,
        "exact": True,
        "extrapolated": False,
    }
    for key, timing in timings.items():
        result[key] = significant(timing.minimum)
        result[f"{key}_median"] = significant(timing.median)
        result[f"{key}_repetitions"] = timing.repetitions
    return result | more


def peer_row(name: str, clients: int, dimension: int, measured: Mapping[str, Any]) -> Row:
    """From what a peer's process printed; what it ran at a small size is extrapolated linearly, and says so."""
    factor = dimension / measured["dimension"]
    timings = {
        # one functional key serves every coordinate, so its time does not grow with them
        key: Timing(**timing).times(1 if key == "authority_ms" else factor)
        for key, timing in measured["timings"].items()
    }
    return row(
        name,
        measured["suite"],
        clients,
        dimension,
        timings,
        measured["bytes_per_client"] / measured["dimension"],
        measured["functional_key_bytes"],
        exact=measured["error"] == 0,
        extrapolated=factor != 1,
        measured_dimension=measured["dimension"],
        error=significant(measured["error"]),
        tolerance=significant(measured["tolerance"]),
        rounds=measured["rounds"],
        versions=measured["versions"],
        notes=measured["notes"],
    )


def significant(value: float) -> float:
    """Four significant digits: no timing has more."""
    return float(f"{value:.4g}")
