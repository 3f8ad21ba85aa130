"""``hearth bond``, ``hearth stake`` and ``hearth withdraw``: what the ledger holds of its parties besides the escrow.

Anybody may send these: a bond is paid by whoever places it, and everything goes back to its holder alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN, to_hex
from protocol.messages.chain import BondReturned, StakeReturned, TaskPosted, TaskTerms, Withdrawn
from protocol.messages.following import NO_CLIENT
from scripts.commands.options import (
    MAX_GAS_PRICE,
    JsonFile,
    Keystore,
    Ledger,
    MaxGasPrice,
    PasswordFile,
    RpcUrl,
    TaskNumber,
    address_option,
    open_ledger,
)

if TYPE_CHECKING:
    from storage.ledger.interface import LedgerReader

bond = typer.Typer(help="Bonds of edge servers and key authorities.", no_args_is_help=True)
stake = typer.Typer(help="Stakes of clients.", no_args_is_help=True)

Holder = Annotated[bytes, address_option("of the edge server or key authority")]
Client = Annotated[bytes, address_option("of the client")]
ROLES = ("none", "edge server", "key authority")
EDGE_SERVER = ROLES.index("edge server")


class DepositError(HearthError):
    """Nothing is taken or given back.

    ``E_NOT_FOUND``, ``E_ROLE``, ``E_PLACED``, ``E_TOO_EARLY``, ``E_NOTHING``, ``E_CLAIM_FIRST``, ``E_UNPAID``.
    """

    code = "E_DEPOSIT"


@stake.callback()
def _group() -> None:
    """A group of its own even while it has one command."""


@bond.command()
def place(
    rpc_url: RpcUrl,
    ledger: Ledger,
    keystore: Keystore,
    password_file: PasswordFile,
    task: TaskNumber,
    holder: Holder,
    yes: Annotated[bool, typer.Option("--yes", help="pay what is printed without being asked")] = False,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Pays a party's bond; a token is approved first."""
    from storage.ledger.deposits import bring, money, require_funds

    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    terms = _terms(chain, task)
    view = chain.bond(task, holder)
    amount = _asked(terms, view.role)
    if amount == 0:
        raise DepositError(f"task {task} asks no bond of {to_hex(holder)}", code="E_ROLE")
    if view.placed:
        raise DepositError(f"the bond of {to_hex(holder)} in task {task} was placed before", code="E_PLACED")
    require_funds(chain, terms.token, amount)
    typer.echo(f"{ROLES[view.role]} {to_hex(holder)}, task {task}: a bond of {money(amount, terms.token)}")
    typer.echo("It goes back to the holder when the task is over; a proven breach costs all of it.")
    if view.role == EDGE_SERVER:
        typer.echo("A round that the server leaves alone costs it its role, and what the round's clients are owed.")
    if not yes and not typer.confirm("Pay it from this account?"):
        raise typer.Exit(1)
    receipt = chain.place_bond(task, holder, bring(chain, terms.token, amount))
    typer.echo(f"placed, gas {receipt.gas_used}")


@bond.command(name="return")
def return_bond(
    rpc_url: RpcUrl,
    ledger: Ledger,
    keystore: Keystore,
    password_file: PasswordFile,
    task: TaskNumber,
    holder: Holder,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Has the ledger return a bond to its holder, once the task is over."""
    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    with _in_plain_words():
        receipt = chain.return_bond(task, holder)
    paid = sum(event.amount for event in receipt.logs if isinstance(event, BondReturned))
    typer.echo(f"returned {paid} to {to_hex(holder)}, gas {receipt.gas_used}")


@bond.command()
def show(rpc_url: RpcUrl, ledger: Ledger, task: TaskNumber, holder: Holder, json_file: JsonFile = None) -> None:
    """What a task asks of a party, and what the ledger holds of it."""
    from storage.ledger.ethereum.reader import EthereumReader

    reader = EthereumReader(rpc_url, ledger.ledger, chain_id=ledger.chain_id, first_block=ledger.first_block)
    terms, view = _terms(reader, task), reader.bond(task, holder)
    shown: dict[str, int | str | bool] = {
        "task": task,
        "holder": to_hex(holder),
        "role": ROLES[view.role],
        "token": "coin" if terms.token == NATIVE_COIN else to_hex(terms.token),
        "asked": _asked(terms, view.role),
        "placed": view.placed,
        "held": view.amount,
    }
    for name, value in shown.items():
        typer.echo(f"{name:>8}: {value}")
    if json_file is not None:
        json_file.write(json.dumps(shown, indent=2, sort_keys=True).encode() + b"\n")


@stake.command(name="return")
def return_stake(
    rpc_url: RpcUrl,
    ledger: Ledger,
    keystore: Keystore,
    password_file: PasswordFile,
    task: TaskNumber,
    client: Client,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Has the ledger return the stake of a client without a last claim: it has no leaf, or the claim period is over."""
    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    with _in_plain_words():
        receipt = chain.return_stake(task, client)
    paid = sum(event.amount for event in receipt.logs if isinstance(event, StakeReturned))
    typer.echo(f"returned {paid} to {to_hex(client)}, gas {receipt.gas_used}")


def withdraw(
    rpc_url: RpcUrl,
    ledger: Ledger,
    keystore: Keystore,
    password_file: PasswordFile,
    task: TaskNumber,
    holder: Annotated[bytes | None, address_option("to whom the task owes it; this account if left out")] = None,
    to: Annotated[bytes | None, address_option("any address for this account's own, else its holder")] = None,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Has the ledger pay what it could not pay when it was due, or a reporter's share of a bond."""
    chain = open_ledger(rpc_url, ledger, keystore, password_file, max_gas_price)
    owner = chain.sender if holder is None else holder
    receiver = owner if to is None else to
    with _in_plain_words():
        receipt = chain.withdraw(task, owner, receiver)
    paid = sum(event.amount for event in receipt.logs if isinstance(event, Withdrawn))
    typer.echo(f"paid {paid} to {to_hex(receiver)}, gas {receipt.gas_used}")


@contextmanager
def _in_plain_words() -> Iterator[None]:
    from storage.ledger.interface import TransactionRevertedError

    try:
        yield
    except TransactionRevertedError as error:
        match error.name, error.arguments:
            case "TooEarly", (until,):
                message = f"the task is not over, or its last payout can still be disputed: at most until {until}"
                raise DepositError(message, code="E_TOO_EARLY") from error
            case "NothingToPay", _:
                raise DepositError("the ledger holds nothing of it", code="E_NOTHING") from error
            case "NotHolder", _:
                message = "only its holder may have it paid to another address"
                raise DepositError(message, code="E_ROLE") from error
            case "PaymentFailed", _:
                message = "the address does not take it, or the token does not move"
                raise DepositError(message, code="E_UNPAID") from error
            case "ReputationPending", _:
                message = "it comes back with the client's last claim, or when the claim period is over"
                raise DepositError(message, code="E_CLAIM_FIRST") from error
        raise


def _terms(reader: LedgerReader, task: int) -> TaskTerms:
    posted = [event.terms for event in reader.events(task, client=NO_CLIENT) if isinstance(event, TaskPosted)]
    if not posted:
        raise DepositError(f"no task {task}", code="E_NOT_FOUND")
    return posted[0]


def _asked(terms: TaskTerms, role: int) -> int:
    return (0, terms.edge_bond, terms.authority_bond)[role]
