"""``hearth simulate``: the whole system in one process under a simulated clock, with seeded faults."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from scripts.commands.options import JsonFile
from scripts.guard import Guard
from scripts.launcher import ROOT, module_command

simulate = typer.Typer(no_args_is_help=True, help="Run the whole system in one process under a simulated clock.")


@simulate.callback()
def main() -> None:
    """Keeps ``faults`` a command of its own while there is only one."""


@simulate.command()
def faults(
    operations: Annotated[int, typer.Option(min=1, help="over as many tasks as they take")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="the same seed does the same")] = 1,
    json_file: JsonFile = None,
) -> None:
    """Lost, late and doubled messages, kills, withheld documents, reorganisations; invariants after every operation."""
    if not (Path(ROOT) / "tests" / "simulation").is_dir():
        raise typer.BadParameter("the simulation is part of the source tree, not of an installed package")
    with Guard() as guard:
        summary = guard.temporary_folder() / "summary.json"
        options = ["--operations", str(operations), "--seed", str(seed), "--json", str(summary)]
        surroundings = {**os.environ, **guard.environment, "TMPDIR": str(summary.parent)}
        ran = subprocess.run([*module_command("tests.simulation"), *options], env=surroundings, check=False)
        if json_file is not None and summary.is_file():
            json_file.write(summary.read_bytes())
    raise typer.Exit(ran.returncode)
