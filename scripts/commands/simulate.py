"""``hearth simulate``: the whole system in one process; with seeded faults, or with thousands of phones."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated, Final

import typer

from scripts.commands.options import JsonFile
from scripts.commands.outcome import Outcome
from scripts.guard import Guard
from scripts.launcher import ROOT, module_command

simulate = typer.Typer(no_args_is_help=True, help="Run the whole system in one process under a clock that is moved.")
MOST_CLIENTS: Final = 10_000  # of one round


@simulate.command()
def crowd(
    clients: Annotated[int, typer.Option(min=10, max=MOST_CLIENTS, help="phones, all of them in every round")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, max=100)] = 3,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**64 - 1, help="the same seed ends with the same model")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Real encryption, contracts on anvil, batched training; enrolment and rounds timed apart; audits its evidence.

    Prints JSON; ends with 1 unless the audit passes."""
    import json

    from protocol.identifiers import sha256
    from scripts.commands.progress_bar import progress_bar
    from scripts.crowd.run import run

    if not (Path(ROOT) / "contracts" / "package.json").is_file():
        raise typer.BadParameter("anvil is one of the source tree's tools, not of an installed package")
    drawn = os.urandom(32) if seed is None else sha256(b"hearth simulate crowd %d" % seed)
    with progress_bar() as tell:
        report = run(clients, rounds, drawn, tell)
    written = json.dumps(report.as_json(), indent=2)
    typer.echo(written)
    if json_file is not None:
        json_file.write(written.encode() + b"\n")
    raise typer.Exit(Outcome.OK if report.passed else Outcome.FAILED)


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
