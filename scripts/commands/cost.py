"""``hearth task cost`` at stated fees, and what ``hearth task post --dry-run`` says of a chain as it is now."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scripts.commands.options import JsonFile

if TYPE_CHECKING:
    from scripts.commands.ready_task import ReadyTask
    from storage.ledger.ethereum.ledger import EthereumLedger

GWEI: Final = 10**9


class ChainKind(StrEnum):
    L1 = "l1"
    OP_STACK = "op-stack"


# of a quiet day in 2026, for who states none: a chain's own figures are on its block explorer
GAS_PRICE: Final = {ChainKind.L1: 1.0, ChainKind.OP_STACK: 0.01}


def cost(
    task_file: Annotated[Path, typer.Argument(help="the task as TOML")],
    chain: Annotated[ChainKind, typer.Option(help="a chain of its own, or one of the OP stack above another")],
    gas_price: Annotated[
        float | None,
        typer.Option(min=0, max=1e6, help="gwei for a unit of gas, tip included; else 1, or 0.01 of the OP stack"),
    ] = None,
    l1_base_fee: Annotated[float, typer.Option(min=0, max=1e6, help="gwei, of the chain below")] = 1.0,
    l1_blob_fee: Annotated[float, typer.Option(min=0, max=1e6, help="gwei, of a blob's byte on the chain below")] = 1.0,
    base_fee_scalar: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="ppm, of the OP stack's operator")] = 5_227,
    blob_fee_scalar: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="ppm, likewise")] = 1_014_213,
    json_file: JsonFile = None,
) -> None:
    """Says what an update, a round and all of a task cost in gas and in coin at stated fees. Sends and asks nothing."""
    from scripts.bench.gas_report import read_snapshot
    from scripts.commands.ready_task import stand_in
    from scripts.commands.task_cost import Fees, costs, lines_of
    from scripts.commands.task_file import TaskFile
    from storage.ledger.ethereum.data_fees import DataPrices

    price = GAS_PRICE[chain] if gas_price is None else gas_price
    below = DataPrices(round(l1_base_fee * GWEI), round(l1_blob_fee * GWEI), base_fee_scalar, blob_fee_scalar)
    fees = Fees(round(price * GWEI), below if chain is ChainKind.OP_STACK else None)
    spec = TaskFile(task_file).spec(bytes(32), bytes(32), stand_in)  # its files cost nothing on chain
    found = costs(spec, fees, read_snapshot())
    for line in lines_of(found, fees):
        typer.echo(line)
    if json_file is not None:
        told = {"update": asdict(found.update), "round": asdict(found.round), "task": asdict(found.task)}
        json_file.write((json.dumps(told, sort_keys=True) + "\n").encode())


def rehearse(ready: ReadyTask, chain: EthereumLedger) -> None:
    """Asks the chain what posting would ask it, and what it takes now; sends nothing. Raises MalformedError."""
    from scripts.bench.gas_report import read_snapshot
    from scripts.commands.task_cost import Fees, costs, lines_of
    from storage.ledger.block_times import measured_block_seconds
    from storage.ledger.ethereum.node import Node
    from storage.ledger.ethereum.op_stack import data_prices

    chain.verify_contract()
    ready.check_chain(chain.rules(), chain.task_count(), measured_block_seconds(chain))
    fees = Fees(chain.fee_wei(1), data_prices(Node(chain.provider)))
    for line in lines_of(costs(ready.spec, fees, read_snapshot()), fees):
        typer.echo(line)
    lacking = ready.spec.budget() - chain.balance(chain.sender, ready.spec.rewards.token)
    typer.echo(f"{'account':>11}: " + ("has the escrow" if lacking <= 0 else f"lacks {lacking} of the escrow"))
    typer.echo("nothing was sent")
