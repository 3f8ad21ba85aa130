"""``hearth bench screening``: an authority's part in a screened round, as JSON; exit 1 when a promise is missed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scripts.commands.options import JsonFile

MOST_COORDINATES = 1_000_000


def screening(
    clients: Annotated[int, typer.Option(min=3, max=1000, help="of the round")] = 100,
    dimensions: Annotated[str, typer.Option(help="coordinates of an update, with commas")] = "10000,100000",
    committee: Annotated[str, typer.Option(help="key authorities, and how many of them decrypt")] = "5,2",
    json_file: JsonFile = None,
) -> None:
    """Processor time of one authority with all that it checks and answers, of the verdict, and bytes of an answer."""
    from protocol.screening.openings import needed
    from scripts.bench.screening import run

    try:
        sizes = [int(size) for size in dimensions.split(",")]
        m, t = (int(number) for number in committee.split(","))
    except ValueError as error:
        raise typer.BadParameter("--dimensions and --committee: whole numbers with commas") from error
    if not all(1 <= size <= MOST_COORDINATES for size in sizes):
        raise typer.BadParameter(f"--dimensions: 1 to {MOST_COORDINATES}")
    if t < 2 or not needed(t) <= m <= 7:
        raise typer.BadParameter("--committee: at most 7, and of T at least 2 T - 1")
    result = run(clients, sizes, m, t, lambda text: typer.echo(text, err=True))
    text = json.dumps(result, indent=2)
    typer.echo(text)
    if json_file is not None:
        json_file.write(text.encode() + b"\n")
    raise typer.Exit(0 if all(target["met"] for target in result["targets"]) else 1)
