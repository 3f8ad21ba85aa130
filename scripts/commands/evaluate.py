"""``hearth evaluate``: what the learning reaches on real data, against its targets; exit 1 when one is missed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from protocol.strict_toml import nearest
from scripts.commands.options import JsonFile
from scripts.commands.output_file import provable, provable_folder

if TYPE_CHECKING:
    from rich.console import Console

    from scripts.evaluate.evaluation import Profile

_FORMS = ("bdp", "normalisation", "sparsity", "appliances", "traffic", "adaptive", "attack", "poisoning", "incentives")


def _provable_report(path: str | Path) -> Path:
    """What is there already can be written over, before hours of work. Raises OutputError."""
    from scripts.evaluate.runner import CELLS

    folder = provable_folder(path)
    provable_folder(folder / CELLS)
    for name in ("report.json", "report.html"):
        if (folder / name).exists():
            provable(folder / name)
    return folder


def evaluate(
    what: Annotated[str, typer.Argument(help=", ".join(_FORMS), show_default=False)],
    profile: Annotated[str, typer.Option(help="small (half a minute), or full (hours): the figures of docs")] = "small",
    seeds: Annotated[int | None, typer.Option(min=1, max=100, help="in place of the profile's number")] = None,
    json_file: JsonFile = None,
    report: Annotated[
        Path | None,
        typer.Option(
            parser=_provable_report,
            metavar="FOLDER",
            help="gets report.json, a page, plots, and each run's result: what was ended goes on from there",
        ),
    ] = None,
    plots: Annotated[bool, typer.Option(help="in the report; they need matplotlib, of the extra 'evaluate'")] = True,
    openings: Annotated[
        bool,
        typer.Option("--openings", help="of attack: what the openings of screening give away, instead"),
    ] = False,
    only: Annotated[str, typer.Option(help="run what has a key that begins so, keep it in --report, end")] = "",
) -> None:
    """Runs the product's own training, accounting and updates, and holds the results against their targets."""
    from rich.console import Console

    if what not in _FORMS:
        raise typer.BadParameter(f"{what[:40]}: one of {', '.join(_FORMS)}")
    if openings and what != "attack":
        raise typer.BadParameter("--openings is of attack")
    if profile not in ("small", "full"):
        raise typer.BadParameter(f"{profile[:40]}: small or full")
    if only and report is None:
        raise typer.BadParameter("--only runs a part, which is lost without --report")
    if report is not None and plots:
        from scripts.evaluate.plots import require

        require()
    chosen: Profile = "full" if profile == "full" else "small"
    told = _run("openings" if openings else what, chosen, seeds, report, only, Console(stderr=True))
    if told is None:
        return
    from scripts.evaluate.screen import print_report

    print_report(told, Console(width=None if sys.stdout.isatty() else 150))
    if json_file is not None:
        json_file.write(json.dumps(told, indent=2).encode() + b"\n")
    if report is not None:
        from scripts.evaluate.written import write_report

        write_report(told, report, plots)
    raise typer.Exit(0 if told["met"] else 1)


def _run(
    what: str, profile: Profile, seeds: int | None, folder: Path | None, only: str, console: Console
) -> dict[str, Any] | None:
    """None after a part alone."""
    from scripts.evaluate.registry import evaluation
    from scripts.evaluate.runner import run_cells
    from scripts.evaluate.screen import Bars
    from scripts.evaluate.told import tell

    chosen = evaluation(what, seeds)
    keys = [cell.key for cell in chosen.cells(profile)]
    if not any(key.startswith(only) for key in keys):
        raise typer.BadParameter(f"--only: no key begins with {only}; {nearest(only, keys)}")
    with Bars(console) as bars:
        kept = run_cells(chosen, profile, folder, bars.watch, only)
    return None if only else tell(chosen, profile, seeds, kept)
