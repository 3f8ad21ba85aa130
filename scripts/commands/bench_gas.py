"""``hearth bench gas``: the contract's gas, here and against the snapshot; exit 1 when it rose or misses a promise."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from scripts.commands.options import JsonFile


def gas(
    clients: Annotated[str, typer.Option(help="numbers of clients, each with a task of ten rounds")] = "10,100,1000",
    update: Annotated[bool, typer.Option(help="make this run the committed snapshot")] = False,
    json_file: JsonFile = None,
) -> None:
    """Measures every contract function, and an update with all its transactions, on a local chain."""
    from rich.console import Console

    from scripts.bench.gas import local_chain, run
    from scripts.bench.gas_report import missed, print_result, read_snapshot, risen, write_snapshot

    try:
        sizes = sorted({int(size) for size in clients.split(",")})
    except ValueError as error:
        raise typer.BadParameter(f"{clients}: numbers with commas between them") from error
    if not 2 <= sizes[0] <= sizes[-1] <= 2_000:
        raise typer.BadParameter("2 to 2000 clients")
    console = Console(width=None if sys.stdout.isatty() else 120)
    with local_chain() as (rpc_url, faucet):
        result = run(sizes, rpc_url, faucet, Console(stderr=True).print)
    print_result(result, console)
    if json_file is not None:
        json_file.write(json.dumps(result, indent=1).encode() + b"\n")
    complaints = missed(result)
    if update:
        write_snapshot(result)
    else:
        complaints += risen(result, read_snapshot())
    for complaint in complaints:
        console.print(complaint, style="red")
    raise typer.Exit(1 if complaints else 0)
