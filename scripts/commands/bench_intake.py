"""``hearth bench intake``: an edge server under load, as JSON; exit 1 when a promise is missed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scripts.commands.options import JsonFile

MOST_CLIENTS = 10_000


def intake(
    commitments: Annotated[int, typer.Option(min=100, max=MOST_CLIENTS, help="each by a phone of its own")] = 8000,
    phones: Annotated[int, typer.Option(min=1, max=8000, help="that wait for the next round")] = 5000,
    together: Annotated[int, typer.Option(min=1, max=1000, help="commitments under way at one time")] = 48,
    clients: Annotated[int, typer.Option(min=100, max=MOST_CLIENTS, help="of the task")] = MOST_CLIENTS,
    database: Annotated[str | None, typer.Option(help="keep the records there; else in SQLite")] = None,
    json_file: JsonFile = None,
) -> None:
    """Signed commitments a second, waiting phones with their memory, and what other requests notice; beside a bare
    endpoint."""
    from rich.console import Console

    from scripts.bench.intake import run

    if commitments > clients:
        raise typer.BadParameter(f"{commitments} commitments of {clients} clients")
    result = run(commitments, phones, together, clients, database, Console(stderr=True).print)
    text = json.dumps(result, indent=2)
    print(text)
    if json_file is not None:
        json_file.write(text.encode() + b"\n")
    raise typer.Exit(0 if all(target["met"] for target in result["targets"]) else 1)
