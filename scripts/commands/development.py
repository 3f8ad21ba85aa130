"""``hearth testnet accounts|fund|task|ended``: what a demonstration in containers needs around its roles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from protocol.identifiers import parse_address, to_hex
from scripts.commands.options import Ledger, RpcUrl, TaskNumber, url_option
from scripts.commands.outcome import OutputError, reason
from storage.bounded_file import read_bounded

MAX_ADDRESSES_BYTES: Final = 64 * 1024
_ROLE: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")

Clients = Annotated[int, typer.Option(min=2, max=100, help="households of its task")]


def accounts(
    roles: Annotated[list[str], typer.Argument(metavar="ROLE...", help="whose accounts; letters, digits and -")],
    clients: Clients = 2,
) -> None:
    """Makes accounts, passwords and policies for a development chain, and writes them to standard output as a tar
    archive."""
    from scripts.demonstration.development import accounts_archive

    for role in roles:
        if not _ROLE.fullmatch(role):
            raise typer.BadParameter(f"{role[:100]!r}: a role's name has small letters, digits and - alone")
    typer.echo(accounts_archive(list(dict.fromkeys(roles)), clients), nl=False)


def fund(
    rpc_url: RpcUrl,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="addresses, one a line")],
) -> None:
    """Gives these accounts coin, on anvil."""
    from scripts.demonstration.development import fund

    try:
        text = read_bounded(file, MAX_ADDRESSES_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not UTF-8"
        raise typer.BadParameter(f"{file}: {why}") from error
    addresses = [parse_address(line) for line in text.split()]
    fund(rpc_url, addresses)
    typer.echo(f"{len(addresses)} accounts have coin")


def task(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="where it is written")],
    edge: Annotated[list[str], url_option("of a process of an edge server, the acting one first; repeat for each")],
    authority: Annotated[list[str], url_option("of a key authority; repeat for each")],
    clients: Clients = 2,
    rounds: Annotated[int, typer.Option(min=1, max=1000)] = 3,
) -> None:
    """Writes the demonstration's task file, for these servers, and the examples of its households."""
    from scripts.demonstration.development import write_task

    try:
        typer.echo(f"{write_task(folder, clients, rounds, edge, authority)}: hearth task post posts it")
    except OSError as error:
        raise OutputError(f"{folder}: {reason(error)}") from error


def ended(
    rpc_url: RpcUrl,
    ledger: Ledger,
    task: TaskNumber,
    patience_seconds: Annotated[float, typer.Option(min=0, max=10**6, help="after which it gives up")] = 1800.0,
) -> None:
    """Waits until a task is over and paid, then prints the hash of the last block, for `hearth audit --block`: whoever
    runs a chain for development trusts it."""
    from scripts.demonstration.development import await_ended
    from storage.ledger.ethereum.reader import EthereumReader

    reader = EthereumReader(rpc_url, ledger.ledger, chain_id=ledger.chain_id, first_block=ledger.first_block)
    typer.echo(to_hex(await_ended(reader, task, patience_seconds)))
