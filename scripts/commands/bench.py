"""``hearth bench``: the encryption beside its peers, gas, a crowd's price, a server under load.

Exit 1 when a promise is missed.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from scripts.commands.bench_aggregation import aggregation
from scripts.commands.bench_gas import gas
from scripts.commands.bench_intake import intake
from scripts.commands.bench_phone import phone
from scripts.commands.bench_screening import screening
from scripts.commands.options import JsonFile

bench = typer.Typer(help="Measures this machine and Hearth on it.", no_args_is_help=True)


bench.command()(aggregation)
bench.command()(gas)
bench.command()(intake)
bench.command()(phone)
bench.command()(screening)


@bench.command()
def encryption(
    clients: Annotated[int, typer.Option(min=3, max=2000, help="households in a round")] = 100,
    dimension: Annotated[int, typer.Option(min=1, max=10_000_000, help="coordinates of an update")] = 100_000,
    peers: Annotated[str, typer.Option(help="any of tenseal,flower,pymife,phe: installed beside, then measured")] = "",
    large: Annotated[
        bool, typer.Option(help="also a thousand clients and a million coordinates: 5 GB, minutes")
    ] = True,
    json_file: JsonFile = None,
) -> None:
    """Client, server and authority time, bytes and exactness of our suites and of their peers, in one run."""
    from rich.console import Console

    from scripts.bench.encryption import run
    from scripts.bench.report import print_result
    from scripts.bench.targets import missed

    console = Console(width=None if sys.stdout.isatty() else 150)
    names = [name.strip() for name in peers.split(",") if name.strip()]
    result = run(clients, dimension, names, large, Console(stderr=True).print)
    print_result(result, console)
    if json_file is not None:
        json_file.write(json.dumps(result, indent=2).encode() + b"\n")
    raise typer.Exit(1 if missed(result["targets"]) else 0)


@bench.command()
def crowd(
    accounts: Annotated[int, typer.Option(min=1, max=10_000_000, help="addresses of one owner")] = 1000,
    gas_price: Annotated[float, typer.Option(min=0, max=10_000, help="in gwei")] = 1.0,
) -> None:
    """What so many addresses of one owner cost by reputation, under the usual rules: gas by the snapshot, and time."""
    from rich.console import Console
    from rich.table import Table

    from protocol.messages.chain import DEFAULT_RULES
    from scripts.bench.crowd import prices
    from scripts.bench.gas_report import read_snapshot
    from scripts.demonstration.screen import show

    table = Table("reputation", "days", "million gas", f"coins at {gas_price:g} gwei", title=f"{accounts:,} addresses")
    for price in prices(accounts, DEFAULT_RULES, read_snapshot()):
        coins = price.gas * gas_price / 10**9
        table.add_row(str(price.reputation), f"{price.days:g}", f"{price.gas / 10**6:,.0f}", f"{coins:,.3f}")
    show(Console(width=None if sys.stdout.isatty() else 120), table)
