"""An evaluation for people at a terminal: bars while it runs, tables after it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.demonstration.screen import progress_of, show
from scripts.evaluate.evaluation import Cell, Progress
from scripts.evaluate.written import TARGET_HEADINGS, provenance, target_cells

_PARTS = 1_000  # of a run, on its bar


class Bars:
    """Context manager: one bar for all runs and one for the present one; lines where nobody could see a bar move."""

    def __init__(self, console: Console) -> None:
        self._console, self._progress = console, progress_of(console)
        self._all = self._progress.add_task("all runs", total=None)
        self._one = self._progress.add_task("", total=_PARTS)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._progress.stop()

    def watch(self, cell: Cell, done: int, total: int) -> Progress:
        self._progress.update(self._all, completed=done, total=total)
        self._progress.reset(self._one, description=cell.key)
        if self._progress.disable:
            self._console.print(f"{done + 1} of {total}: {cell.key}", highlight=False, markup=False)
        return self

    def advance(self, done: int, total: int) -> None:
        self._progress.update(self._one, completed=_PARTS * done // max(1, total), total=_PARTS)


def print_report(told: Mapping[str, Any], console: Console) -> None:
    report = told["report"]
    _print(report["title"], TARGET_HEADINGS, [target_cells(row) for row in report["rows"]], console)
    for table in report["tables"]:
        _print(table["title"], table["headings"], table["rows"], console)
    for note in report["notes"]:
        console.print(Text(note))
    console.print(Text(f"{told['command']}\n{provenance(told)}"))


def _print(title: str, headings: Any, rows: Any, console: Console) -> None:
    table = Table(title=Text(title))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    show(console, table)
