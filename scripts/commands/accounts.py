"""``hearth key new`` and ``hearth deploy``: accounts and the contract."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from protocol.identifiers import to_hex
from scripts.commands.options import JsonFile, Keystore, PasswordFile, RpcUrl

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


def deploy(rpc_url: RpcUrl, keystore: Keystore, password_file: PasswordFile, json_file: JsonFile = None) -> None:
    """Deploys the HearthLedger contract and prints its address."""
    from storage.ledger.ethereum import deploy as deploy_contract
    from storage.ledger.signer import Signer

    address, receipt = deploy_contract(rpc_url, Signer.from_keystore(keystore, password_file))
    typer.echo(f"{to_hex(address)} (block {receipt.block}, gas {receipt.gas_used})")
    if json_file is not None:
        result = {"ledger": to_hex(address), "block": receipt.block, "gas": receipt.gas_used}
        json_file.write_text(json.dumps(result, sort_keys=True) + "\n")
