"""``hearth bench phone``: one phone's part in a round, by the number of clients; exit 1 when it grows with it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scripts.commands.options import JsonFile


def phone(
    enrolled: Annotated[str, typer.Option(help="clients of each task, ascending, with commas")] = "100,1000,10000",
    json_file: JsonFile = None,
) -> None:
    """Bytes and processor time of a real phone for each round of tasks of so many clients, on anvil."""
    from scripts.bench.phone import is_flat, run
    from scripts.commands.progress_bar import progress_bar

    try:
        sizes = [int(size) for size in enrolled.split(",")]
    except ValueError as error:
        raise typer.BadParameter("--enrolled: whole numbers with commas") from error
    if sizes != sorted(set(sizes)) or not 12 <= sizes[0] <= sizes[-1] <= 1_000_000:
        raise typer.BadParameter("--enrolled: ascending, from 12 to 1000000")
    with progress_bar() as tell:
        result = run(sizes, lambda what: tell(what, 0, 0))
    text = json.dumps(result, indent=2)
    typer.echo(text)
    if json_file is not None:
        json_file.write(text.encode() + b"\n")
    raise typer.Exit(0 if is_flat(result) else 1)
