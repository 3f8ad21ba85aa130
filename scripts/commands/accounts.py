"""``hearth key new`` and ``hearth deploy``: accounts and the contract."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from protocol.identifiers import to_hex
from protocol.messages.chain import DEFAULT_RULES, LedgerRules
from scripts.commands.options import MAX_GAS_PRICE, Keystore, MaxGasPrice, PasswordFile, RpcUrl
from scripts.commands.outcome import OutputError, reason
from scripts.commands.output_file import provable
from storage.ledger.gas_limits import GasLimits

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
    from storage.ledger.keystore import GROUP_ORDER, read_password, write_keystore
    from storage.ledger.signer import Signer

    private_key = (1 + secrets.randbelow(GROUP_ORDER - 1)).to_bytes(32, "big")
    password = read_password(password_file)
    try:
        write_keystore(keystore, private_key, password)
    except OSError as error:
        raise OutputError(f"{keystore}: {reason(error)}") from error
    typer.echo(to_hex(Signer(private_key).address))


def deploy(
    rpc_url: RpcUrl,
    chain_id: Annotated[int, typer.Option(min=1, help="of the chain that it is meant for, and no other")],
    keystore: Keystore,
    password_file: PasswordFile,
    json_file: Annotated[
        Path,
        typer.Option(
            "--json", metavar="FILE", parser=provable, help="deployment file; completed when it is there already"
        ),
    ] = Path("deployment.json"),
    confirmations: Annotated[int, typer.Option(min=0, max=1000, help="blocks upon the deployment's own")] = 0,
    reputation_maximum: Annotated[
        int, typer.Option(min=1, max=255, help="no reputation is above it")
    ] = DEFAULT_RULES.maximum,
    reputation_floor: Annotated[
        int, typer.Option(min=0, max=255, help="a settled reputation below it recovers by waiting")
    ] = DEFAULT_RULES.floor,
    waiting_seconds: Annotated[
        int, typer.Option(min=1, max=2**32 - 1, help="a reputation gains one in each at most")
    ] = DEFAULT_RULES.waiting_seconds,
    claim_seconds: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="every task gives its clients to claim, at least")
    ] = DEFAULT_RULES.claim_seconds,
    max_gas_price: MaxGasPrice = MAX_GAS_PRICE,
) -> None:
    """Deploys the HearthLedger contract with these rules for all its tasks, and writes where it is."""
    from scripts.chain.deployment import deploy_once
    from scripts.chain.verification import verification
    from storage.ledger.signer import Signer

    signer = Signer.from_keystore(keystore, password_file)
    rules = LedgerRules(reputation_maximum, reputation_floor, waiting_seconds, claim_seconds)
    done, sent = deploy_once(rpc_url, chain_id, signer, json_file, confirmations, rules, GasLimits(max_gas_price))
    if sent:
        typer.echo(f"{done.ledger} (chain {done.chain_id}, block {done.block}, gas {done.gas}), written to {json_file}")
    else:
        typer.echo(f"{done.ledger} (chain {done.chain_id}): {json_file} tells of it already, nothing was sent")
    for line in verification(done.address, done.tasks_address, done.rules):
        typer.echo(line)
