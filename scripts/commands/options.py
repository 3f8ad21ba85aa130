"""Options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.domain import Domain, parse_domain
from protocol.errors import MalformedError
from protocol.strict_json import parse_json
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits

if TYPE_CHECKING:
    from storage.ledger.ethereum.ledger import EthereumLedger

RpcUrl = Annotated[str, typer.Option(envvar="HEARTH_RPC_URL", help="the chain's JSON-RPC endpoint")]
Ledger = Annotated[
    Domain,
    typer.Option(
        envvar="HEARTH_LEDGER",
        metavar="CHAIN_ID:ADDRESS",
        parser=lambda text: _domain(text),
        help="the HearthLedger contract and its chain, or the file that hearth deploy wrote",
    ),
]
MaxGasPrice = Annotated[
    int, typer.Option(envvar="HEARTH_MAX_GAS_PRICE", min=1, max=10**15, help="most wei for a unit of gas, tip included")
]
MAX_GAS_PRICE = DEFAULT_GAS_LIMITS.max_price  # without the option
MAX_DEPLOYMENT_BYTES = 16 * 1024
Store = Annotated[str, typer.Option(envvar="HEARTH_STORE", help="folder, or RPC URL of an IPFS node (Kubo)")]
Keystore = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="account as keystore V3 file")]
PasswordFile = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="file with the keystore's password")]
Folder = Annotated[Path, typer.Option(help="where this role keeps its state; one role, one folder")]
Household = Annotated[
    Path, typer.Option(envvar="HEARTH_HOUSEHOLD", help="what all tasks of this household share; one for all of them")
]
HOUSEHOLD = Path("~/.hearth")  # without the option
Port = Annotated[int, typer.Option(min=0, max=65535, help="loopback port; 0 takes a free one")]
ReadyFile = Annotated[Path | None, typer.Option(help="gets the URL once the role listens")]
SeedFile = Annotated[
    Path | None, typer.Option(help="32 bytes that replace the system's randomness: demonstrations only")
]
TaskNumber = Annotated[int, typer.Option("--task", min=1, help="number of the task on the ledger")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="also write the result here")]


def open_ledger(
    rpc_url: str, ledger: Domain, keystore: Path, password_file: Path, max_gas_price: int
) -> EthereumLedger:
    """For a command that sends a transaction."""
    from storage.ledger.ethereum.ledger import EthereumLedger
    from storage.ledger.signer import Signer

    signer = Signer.from_keystore(keystore, password_file)
    return EthereumLedger(rpc_url, ledger, signer, limits=GasLimits(max_gas_price))


def _domain(text: str) -> Domain:
    file = Path(text)
    try:
        if ":" in text or not file.is_file():
            return parse_domain(text)
        with file.open("rb") as opened:
            content = parse_json(opened.read(MAX_DEPLOYMENT_BYTES))
        return parse_domain(f"{content['chain_id']}:{content['ledger']}")
    except (MalformedError, OSError, TypeError, LookupError) as error:
        raise typer.BadParameter(f"{text}: neither CHAIN_ID:ADDRESS nor a deployment file") from error


def read_seed(path: Path | None) -> bytes | None:
    """The 32 seed bytes of a file."""
    if path is None:
        return None
    seed = path.read_bytes()
    if len(seed) != 32:
        raise typer.BadParameter(f"{path}: {len(seed)} bytes where a seed has 32")
    return seed
