"""``hearth bench aggregation``: what a cluster of workers gains over one process, on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scripts.commands.options import JsonFile

MOST_WORKERS = 8


def aggregation(
    clients: Annotated[int, typer.Option(min=1, max=10_000, help="ciphertexts of a round")] = 1000,
    dimension: Annotated[int, typer.Option(min=1, max=10_000_000, help="coordinates of an update")] = 100_000,
    workers: Annotated[str, typer.Option(help="sizes of clusters, with commas between them")] = "1,2",
    json_file: JsonFile = None,
) -> None:
    """Verification and sum in this process and on Dask, as JSON. Ciphertexts take four bytes a coordinate on disk."""
    from backend.aggregation.cluster import require_dask
    from scripts.bench.aggregation import run

    try:
        sizes = [int(size) for size in workers.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{workers[:100]}: numbers with commas between them") from error
    if not all(1 <= size <= MOST_WORKERS for size in sizes):
        raise typer.BadParameter(f"1 to {MOST_WORKERS} workers")
    require_dask()
    result = json.dumps(run(clients, dimension, sizes, lambda text: typer.echo(text, err=True)), indent=2)
    typer.echo(result)
    if json_file is not None:
        json_file.write(result.encode() + b"\n")
