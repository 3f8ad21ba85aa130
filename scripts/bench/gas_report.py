"""Gas against what was promised (issue and README) and against the committed snapshot; tables for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from protocol.errors import HearthError
from scripts.demonstration.screen import show

SNAPSHOT: Final = Path(__file__).resolve().parents[2] / "contracts" / "gas.json"
TOLERANCE_PERCENT: Final = 2
TWO_CP_GAS: Final = 119_000  # per update, as published


class SnapshotError(HearthError):
    """There is no snapshot to compare with."""

    code = "E_GAS_SNAPSHOT"


@dataclass(frozen=True, slots=True)
class Target:
    """``measured`` picks the figure out of a result, or None when this run did not measure it."""

    what: str
    limit: int
    measured: Callable[[dict[str, Any]], float | None]


TARGETS: Final = (
    Target("per round, all transactions", 400_000, lambda result: sum(result["round"].values()) or None),
    Target("per round, cohort drawn", 450_000, lambda result: sum(result["drawn_round"].values())),
    Target("per update, 100 clients", 5_000, lambda result: result["per_update"].get("100")),
    Target("all-in per update, 100 clients", 20_000, lambda result: result["per_update_all_in"].get("100")),
    Target("direct commitment", 91_000, lambda result: max(result["functions"]["commitDirect"].values())),
    Target("claim, existing account", 86_000, lambda result: result["claims"]["existing_account"]),
    Target("claim, empty account", 111_000, lambda result: result["claims"]["empty_account"]),
    Target("voucher, beyond the enrolment, Osaka", 60_000, lambda result: result["voucher"]["osaka"]),
    Target("claim, each of 100 in one", 55_000, lambda result: result["claims"]["batched_existing_each"]),
)


def missed(result: dict[str, Any]) -> list[str]:
    """Targets that this run measured and did not meet."""
    found = [(target, target.measured(result)) for target in TARGETS]
    return [f"{t.what}: {gas:,.0f}, at most {t.limit:,}" for t, gas in found if gas is not None and gas > t.limit]


def risen(result: dict[str, Any], snapshot: dict[str, Any]) -> list[str]:
    """Figures more than 2 % above the snapshot, or without one in it."""
    known = _figures(snapshot)
    complaints = []
    for name, gas in _figures(result).items():
        before = known.get(name)
        if before is None:
            complaints.append(f"{name}: {gas:,.0f}, not in the snapshot")
        elif gas * 100 > before * (100 + TOLERANCE_PERCENT):
            complaints.append(f"{name}: {gas:,.0f}, {100 * (gas / before - 1):.1f} % above {before:,.0f}")
    return complaints


def read_snapshot() -> dict[str, Any]:
    """Raises SnapshotError."""
    if not SNAPSHOT.is_file():
        raise SnapshotError(f"no {SNAPSHOT.name}: write it with --update")
    snapshot: dict[str, Any] = json.loads(SNAPSHOT.read_text())
    return snapshot


def write_snapshot(result: dict[str, Any]) -> None:
    SNAPSHOT.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


def print_result(result: dict[str, Any], console: Console) -> None:
    functions = Table("function", "first use", "later", title=f"Gas of every function ({result['evm']})")
    for name, uses in sorted(result["functions"].items()):
        functions.add_row(name, *(f"{uses[kind]:,}" if kind in uses else "-" for kind in ("first", "later")))
    functions.add_row("(deployment)", f"{result['deployment']:,}", "-")
    updates = Table("clients", "per update", "all-in", title=f"{result['rounds']} rounds")
    for clients, gas in result["per_update"].items():
        updates.add_row(f"{int(clients):,}", f"{gas:,.0f}", f"{result['per_update_all_in'][clients]:,.0f}")
    targets = Table("what", "gas", "at most", "", title="Promises")
    for target in TARGETS:
        gas = target.measured(result)
        verdict = "not measured" if gas is None else "met" if gas <= target.limit else "MISSED"
        targets.add_row(target.what, "-" if gas is None else f"{gas:,.0f}", f"{target.limit:,}", verdict)
    for table in (functions, updates, targets):
        for column in table.columns[1:]:
            column.justify = "right"
        show(console, table)
    if gas := result["per_update"].get("100"):
        console.print(f"2CP: {TWO_CP_GAS:,} per update, {TWO_CP_GAS / gas:.0f} times as much as here with 100 clients")


def _figures(result: dict[str, Any]) -> dict[str, float]:
    """Every figure that may not rise, by name."""
    figures: dict[str, float] = {"deployment": result["deployment"]}
    for group in ("claims", "voucher", "round", "drawn_round", "per_update", "per_update_all_in"):
        figures |= {f"{group} {name}": gas for name, gas in result[group].items()}
    for name, uses in result["functions"].items():
        figures |= {f"{name} {kind}": gas for kind, gas in uses.items()}
    return figures
