"""``hearth task`` and ``hearth model``: what a manufacturer does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from protocol.identifiers import ZERO_DIGEST, to_hex
from scripts.commands.options import (
    MAX_GAS_PRICE,
    JsonFile,
    Keystore,
    Ledger,
    MaxGasPrice,
    PasswordFile,
    RpcUrl,
    Store,
    TaskNumber,
    open_ledger,
)

task = typer.Typer(help="Post a task, watch it, take back what nobody earned.", no_args_is_help=True)
model = typer.Typer(help="Published models.", no_args_is_help=True)


@model.callback()
def _group() -> None:
    """A group of its own even while it has one command."""


@task.command()
def init(file: Annotated[Path, typer.Argument(dir_okay=False, help="task file to write; never overwritten")]) -> None:
    """Writes a task file to start from, with every field explained."""
    from scripts.commands.task_file import SAMPLE

    try:
        with file.open("xb") as new:
            new.write(SAMPLE.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from error
    typer.echo(f"{file}: fill in the accounts and URLs, the files and the amounts, then: hearth task post {file} ...")


@task.command()
def post(
    task_file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="the task as TOML")],
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    keystore: Keystore,
    password_file: PasswordFile,
    edge: Annotated[str, typer.Option(help="the edge server's URL; it prepares, you sign")],
    json_file: JsonFile = None,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Posts the task with its escrow."""
    from scripts.commands.posting import post_task
    from storage.content.open_store import open_store

    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    number, gas_used = post_task(task_file, edge, open_store(store), chain)
    typer.echo(f"task {number}, gas {gas_used}")
    if json_file is not None:
        json_file.write_text(json.dumps({"task": number, "gas": gas_used}, sort_keys=True) + "\n")


@task.command()
def status(
    rpc_url: RpcUrl,
    ledger: Ledger,
    task: TaskNumber,
    store: Annotated[
        str | None, typer.Option(envvar="HEARTH_STORE", help="also reads the task's documents here")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Where a task stands: rounds, money, deadlines; with a content store also its title, verdicts and privacy."""
    from protocol.canonical import encode
    from scripts.commands.task_status import lines_of, read_status
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.reader import EthereumReader

    reader = EthereumReader(rpc_url, ledger.ledger, chain_id=ledger.chain_id)
    result = read_status(reader, open_store(store) if store else None, task)
    for line in lines_of(result):
        typer.echo(line)
    if json_file is not None:
        json_file.write_bytes(encode(result) + b"\n")


@task.command()
def refund(
    rpc_url: RpcUrl,
    ledger: Ledger,
    keystore: Keystore,
    password_file: PasswordFile,
    task: TaskNumber,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Pays the manufacturer what no client can claim any more."""
    from protocol.messages.chain import Refunded
    from storage.ledger.deposits import money
    from storage.ledger.interface import TransactionRevertedError

    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    try:
        receipt = chain.refund(task)
    except TransactionRevertedError as error:
        if error.name != "NothingToPay":
            raise
        typer.echo("nothing to refund: all is earned or already paid")
        return
    paid = sum(event.amount for event in receipt.logs if isinstance(event, Refunded))
    typer.echo(f"refunded {money(paid, chain.task(task).token)}, gas {receipt.gas_used}")


@model.command()
def fetch(
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    task: TaskNumber,
    out: Annotated[Path, typer.Option(help="safetensors file to write; the model's layers go beside it as JSON")],
    round_number: Annotated[int, typer.Option("--round", min=0, help="0: the last published round")] = 0,
) -> None:
    """Fetches published parameters, checked against the digest on chain and the task's layers."""
    from protocol.canonical import encode
    from scripts.commands.posting import fetch_model, published_model
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.reader import EthereumReader

    reader = EthereumReader(rpc_url, ledger.ledger, chain_id=ledger.chain_id)
    digest = published_model(reader, task, round_number)
    if digest == ZERO_DIGEST:
        typer.echo("no such published round")
        raise typer.Exit(1)
    data, layers = fetch_model(open_store(store), reader.task(task).spec, digest)
    out.write_bytes(data)
    out.with_suffix(".json").write_bytes(encode(layers))
    typer.echo(f"{out}: {len(data)} bytes, digest {to_hex(digest)}")
