"""``hearth testnet up|down``: a local chain in the background, ready for a wallet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

testnet = typer.Typer(help="A local chain with the contract and funded accounts.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option(envvar="HEARTH_TESTNET_DIR", help="state and log; by default in the user's state folder")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@testnet.command()
def up(
    chain: Annotated[str, typer.Option(help="anvil or ganache")] = "anvil",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="8545; 0 takes a free one")] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Starts the chain, deploys the contract, prints what to put into a wallet."""
    from scripts.chain import background as background_chain

    if chain not in background_chain.MNEMONICS:
        raise typer.BadParameter(f"{chain}: anvil or ganache")
    folder = folder or background_chain.state_folder()
    running, started = background_chain.up(folder, chain, port)
    accounts = [{"address": address, "private_key": key} for address, key in running.accounts]
    shown: dict[str, Any] = {
        "already_up": not started,
        "network": f"Hearth {running.chain}",
        "rpc_url": running.rpc_url,
        "chain_id": running.chain_id,
        "currency": "ETH",
        "ledger": running.ledger,
        "accounts": accounts,
        "accounts_are": "public development keys: everybody can spend from them",
    }
    if as_json:
        typer.echo(json.dumps(shown, indent=1))
        return
    typer.echo(f"{chain} is {'up' if started else 'already up'}. For a wallet:")
    for name in ("network", "rpc_url", "chain_id", "currency", "ledger"):
        typer.echo(f"  {name.replace('_', ' '):<9} {shown[name]}")
    typer.echo("\nPUBLIC DEVELOPMENT KEYS: everybody can spend from these accounts. Never send real money there.")
    for account in accounts:
        typer.echo(f"  {account['address']}  {account['private_key']}")


@testnet.command()
def down(folder: Folder = None) -> None:
    """Stops the chain that ``up`` started; everything on it is gone."""
    from scripts.chain import background as background_chain

    stopped = background_chain.down(folder or background_chain.state_folder())
    typer.echo("no chain is up" if stopped is None else f"{stopped.chain} at {stopped.rpc_url} is down")
