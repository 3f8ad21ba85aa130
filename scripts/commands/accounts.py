"""``hearth key new`` and ``hearth deploy``: accounts and the contract."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from protocol.identifiers import to_hex
from scripts.commands.options import Keystore, PasswordFile, RpcUrl

key = typer.Typer(help="Chain accounts as keystore V3 files.", no_args_is_help=True)


@key.callback()
def _group() -> None:
    """A group of its own even while it has one command."""


@key.command()
def new(
    keystore: Annotated[Path, typer.Argument(help="file to write; never overwritten")],
    password_file: PasswordFile,
) -> None:
    """Makes a new account and prints its address."""
    from storage.ledger.signer import GROUP_ORDER, Signer, read_password, write_keystore

    private_key = (1 + secrets.randbelow(GROUP_ORDER - 1)).to_bytes(32, "big")
    write_keystore(keystore, private_key, read_password(password_file))
    typer.echo(to_hex(Signer(private_key).address))


def deploy(
    rpc_url: RpcUrl,
    keystore: Keystore,
    password_file: PasswordFile,
    json_file: Annotated[
        Path,
        typer.Option("--json", help="deployment file; completed when it is there already"),
    ] = Path("deployment.json"),
    confirmations: Annotated[int, typer.Option(min=0, max=1000, help="blocks upon the deployment's own")] = 0,
) -> None:
    """Deploys the HearthLedger contract and writes where it is."""
    from scripts.deployment import deploy_once
    from storage.ledger.signer import Signer

    done, sent = deploy_once(rpc_url, Signer.from_keystore(keystore, password_file), json_file, confirmations)
    if sent:
        typer.echo(f"{done.ledger} (chain {done.chain_id}, block {done.block}, gas {done.gas}), written to {json_file}")
    else:
        typer.echo(f"{done.ledger} (chain {done.chain_id}): {json_file} tells of it already, nothing was sent")
