"""A result for people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.bench.tables import (
    RATIO_HEADINGS,
    SYSTEM_HEADINGS,
    TARGET_HEADINGS,
    number,
    ratio_rows,
    system_rows,
    target_rows,
)
from scripts.bench.targets import missed
from scripts.demonstration.screen import show


def print_result(result: Mapping[str, Any], console: Console) -> None:
    """Systems, ratios, targets, and what is missing or missed."""
    _print("Systems (best, median in brackets)", SYSTEM_HEADINGS, system_rows(result), console)
    if result["ratios"]:
        _print("Ratios, best over best", RATIO_HEADINGS, ratio_rows(result), console)
    _print("Targets", TARGET_HEADINGS, target_rows(result), console)
    console.print(f"read bandwidth {number(result['read_bandwidth_gb_s'])} GB/s", highlight=False)
    for name, reason in result["missing"].items():
        console.print(f"[bold yellow]missing peer[/] {name}: {escape(reason)}", highlight=False)
    for what in missed(result["targets"]):
        console.print(f"[bold red]missed[/] {what}", highlight=False)


def _print(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    table = Table(title=title)
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="right" if position else "left")
    for row in rows:
        table.add_row(*row)
    show(console, table)
