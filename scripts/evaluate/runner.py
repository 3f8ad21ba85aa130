"""Runs an evaluation's cells, and goes on where an earlier run was ended: each result is a file of the report's folder.

A folder belongs to one program. Who changed what a cell runs takes a new folder, or removes the cell's file.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from scripts.evaluate.evaluation import Cell, Evaluation, Profile, Progress
from storage.bounded_file import read_bounded
from storage.durable_file import write_file_atomically

CELLS: Final = "cells"  # folder below the report's
MAX_CELL_BYTES: Final = 64 * 1024 * 1024
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")

Watch = Callable[[Cell, int, int], Progress]  # the cell that begins, how many are done, how many there are
Kept = Mapping[str, Any]  # ``result`` of the cell, ``seconds`` of this process's processors that it took


def run_cells(
    evaluation: Evaluation, profile: Profile, folder: Path | None, watch: Watch, only: str = ""
) -> dict[str, Kept]:
    """What is kept of every cell, by key; in ``folder`` too, if there is one. ``only``: keys that begin so.

    Raises ValueError for keys that are no names, or not different.
    """
    cells = [cell for cell in evaluation.cells(profile) if cell.key.startswith(only)]
    if len({cell.key for cell in cells}) < len(cells) or not all(_KEY.fullmatch(cell.key) for cell in cells):
        raise ValueError(f"keys of cells: {sorted(cell.key for cell in cells)}")
    kept: dict[str, Kept] = {}
    for number, cell in enumerate(cells):
        path = None if folder is None else folder / CELLS / f"{profile}-{cell.key}.json"
        found = None if path is None else _read(path)
        if found is None:
            found = _run(cell, watch(cell, number, len(cells)))
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_file_atomically(path, json.dumps(found).encode(), 0o644)
        kept[cell.key] = found
    return kept


def _run(cell: Cell, progress: Progress) -> Kept:
    before = _seconds()
    result = cell.run(progress)
    # through JSON, so that a resumed report is made from the very same values
    found: Kept = json.loads(json.dumps({"result": dict(result), "seconds": round(_seconds() - before, 1)}))
    return found


def _seconds() -> float:
    """Of processors, so that a busy machine does not count."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def _read(path: Path) -> Kept | None:
    """None for what is not there, or is no whole result."""
    try:
        found = json.loads(read_bounded(path, MAX_CELL_BYTES))
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and isinstance(found.get("result"), dict) and "seconds" in found
    return found if whole else None
