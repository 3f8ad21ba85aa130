"""``hearth task`` and ``hearth model``: what a manufacturer does."""

from __future__ import annotations

import json
import os
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from protocol.domain import Domain
from protocol.identifiers import to_hex
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
    look_at_time,
    open_ledger,
    telling_clock,
    url_option,
)
from scripts.commands.output_file import OutputFile

task = typer.Typer(help="Post a task, watch it, take back what nobody earned.", no_args_is_help=True)
model = typer.Typer(help="Published models.", no_args_is_help=True)


@model.callback()
def _group() -> None:
    """A group of its own even while it has one command."""


@task.command()
def init(file: Annotated[Path, typer.Argument(dir_okay=False, help="task file to write; never overwritten")]) -> None:
    """Writes a task file to start from, with every field explained."""
    from scripts.commands.outcome import OutputError, reason
    from scripts.commands.task_file import SAMPLE

    try:
        with file.open("xb") as new:
            new.write(SAMPLE.read_bytes())
    except FileExistsError as error:
        raise typer.BadParameter(f"{file}: is there already, and stays as it is") from error
    except OSError as error:
        raise OutputError(f"{file}: {reason(error)}") from error
    typer.echo(f"{file}: fill in the accounts and URLs, the files and the amounts, then:")
    typer.echo(command_line("task", "check", path_word(file)))


@task.command()
def check(task_file: Annotated[Path, typer.Argument(help="the task as TOML")]) -> None:
    """Reads a task file and its files as `hearth task post` does, and says what the task costs. Sends and asks nothing:
    only the ledger's own rules and the authorities' addresses are left for `hearth task post`."""
    from scripts.commands.ready_task import ReadyTask, lines_of, stand_in

    for line in lines_of(ReadyTask.read(task_file, stand_in)):
        typer.echo(line)
    typer.echo(f"{task_file}: nothing is wrong with it. Next:")
    typer.echo(command_line("task", "post", path_word(task_file), "--edge", "URL"))


@task.command()
def post(
    task_file: Annotated[Path, typer.Argument(help="the task as TOML")],
    rpc_url: RpcUrl,
    ledger: Ledger,
    store: Store,
    keystore: Keystore,
    password_file: PasswordFile,
    edge: Annotated[str, url_option("of the edge server; it prepares, you sign")],
    json_file: JsonFile = None,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="end before its confirmations lie upon the task")] = False,
    again: Annotated[bool, typer.Option("--again", help="post it although this very task is posted already")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what it costs on this chain now; send nothing")
    ] = False,
) -> None:
    """Posts the task with its escrow, once, and waits for the confirmations that it asks for."""
    from scripts.commands.posting import await_depth, post_task, spec_digest
    from scripts.commands.ready_task import ReadyTask, lines_of
    from scripts.commands.servers import identify_authority
    from storage.content.open_store import open_store

    say = partial(typer.echo, err=True)
    ready = ReadyTask.read(task_file, identify_authority)
    for line in lines_of(ready):
        typer.echo(line)
    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    if dry_run:
        from scripts.commands.cost import rehearse

        rehearse(ready, chain)
        return
    posted = post_task(ready, edge, open_store(store), chain, say, again=again)
    look_at_time(chain)  # once more: of a block that came meanwhile the time is known
    if posted.gas_used:
        typer.echo(f"task {posted.task}, gas {posted.gas_used}")
    else:
        typer.echo(f"task {posted.task} is this very task, posted before: nothing was sent. --again posts one more")
    if json_file is not None:
        json_file.write((json.dumps({"task": posted.task, "gas": posted.gas_used}, sort_keys=True) + "\n").encode())
    typer.echo("Now its edge servers and authorities place their bonds, and phones enrol. Where it stands:")
    typer.echo(command_line("task", "status", *chain_words(rpc_url, ledger, store), "--task", str(posted.task)))
    confirmations = ready.spec.confirmations
    if no_wait and confirmations:
        typer.echo(f"not waited for {confirmations} blocks upon it; without them the chain may still take it back")
    elif confirmations:
        await_depth(chain, posted.task, spec_digest(ready), confirmations, say)
        typer.echo(f"task {posted.task} has its {confirmations} confirmations")


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
    from scripts.commands.progress import Progress
    from scripts.commands.published_model import require_task
    from scripts.commands.task_status import lines_of, read_status
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.reader import EthereumReader
    from storage.ledger.ethereum.rpc import JsonRpcProvider

    clock = telling_clock()
    with Progress() as progress:
        node, first = progress.of_node(JsonRpcProvider(rpc_url)), ledger.first_block
        reader = EthereumReader(node, ledger.ledger, chain_id=ledger.chain_id, clock=clock, first_block=first)
        require_task(reader, task)
        result = read_status(reader, progress.of_store(open_store(store)) if store else None, task)
    for line in lines_of(result):
        typer.echo(line)
    if json_file is not None:
        json_file.write(encode(result) + b"\n")


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
    out: Annotated[
        OutputFile, typer.Option(metavar="FILE", parser=OutputFile, help="gets the parameters, as safetensors")
    ],
    layers: Annotated[
        OutputFile | None, typer.Option(metavar="FILE", parser=OutputFile, help="gets the model's layers, as JSON")
    ] = None,
    round_number: Annotated[int, typer.Option("--round", min=0, help="0: the last published round")] = 0,
    averaged: Annotated[
        bool, typer.Option("--averaged", help="the mean of the last rounds' models, where the task asks for it")
    ] = False,
) -> None:
    """Fetches published parameters, checked against the digest on chain and the task's layers."""
    from protocol.canonical import encode
    from scripts.commands.progress import Progress
    from scripts.commands.published_model import fetch_average, fetch_model, published_model, require_task
    from storage.content.open_store import open_store
    from storage.ledger.ethereum.reader import EthereumReader
    from storage.ledger.ethereum.rpc import JsonRpcProvider

    with Progress() as progress:
        node, first = progress.of_node(JsonRpcProvider(rpc_url)), ledger.first_block
        reader = EthereumReader(node, ledger.ledger, chain_id=ledger.chain_id, first_block=first)
        spec = require_task(reader, task)
        event, source = published_model(reader, task, round_number), progress.of_store(open_store(store))
        if averaged:
            data, described, models = fetch_average(source, spec, event)
            what = f"the mean of {models} models, as the record says that digest {to_hex(event.record)} names"
        else:
            (data, described), what = fetch_model(source, spec, event.model), f"digest {to_hex(event.model)}"
    out.write(data)
    typer.echo(f"{out}: {len(data)} bytes, {what}")
    if layers is not None:
        layers.write(encode(described))
        typer.echo(f"{layers}: its layers")


@model.command(name="check")
def check_model(
    task_file: Annotated[Path, typer.Argument(help="a task, or its table [model] alone, as TOML; or layers as JSON")],
    json_file: JsonFile = None,
) -> None:
    """Says what a model asks of a phone: size, memory, time, bytes, and how long its noise is. Measures here, and
    compiles what training needs."""
    from time import perf_counter

    from scripts.commands.model_check import facts_of, lines_of, measured, read_model

    declared, spec = read_model(task_file)
    facts = facts_of(declared, spec, measured(declared, perf_counter))
    for line in lines_of(facts):
        typer.echo(line)
    if json_file is not None:
        json_file.write((json.dumps(facts, sort_keys=True) + "\n").encode())


def chain_words(rpc_url: str, ledger: Domain, store: str) -> list[str]:
    """Options of the next command; what the environment says already is not shown again, it may be a secret."""
    given = (
        ("--rpc-url", "HEARTH_RPC_URL", rpc_url),
        ("--ledger", "HEARTH_LEDGER", str(ledger)),
        ("--store", "HEARTH_STORE", store),
    )
    return [word for option, variable, text in given if os.environ.get(variable) != text for word in (option, text)]


def path_word(path: Path) -> str:
    """A path in place of an argument; none is taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def command_line(*words: str) -> str:
    """As it can be pasted into a shell."""
    return f"  {shlex.join(('hearth', *words))}"
