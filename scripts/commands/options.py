"""Options that several commands share, each defined once."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from protocol.domain import Domain, parse_domain
from protocol.errors import MalformedError
from protocol.identifiers import Address, parse_address
from protocol.strict_json import parse_json
from scripts.commands.outcome import reason
from scripts.commands.output_file import OutputFile, provable
from storage.bounded_file import read_bounded
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits
from storage.web_url import no_url

if TYPE_CHECKING:
    from storage.ledger.ethereum.block_clock import BlockClock
    from storage.ledger.ethereum.ledger import EthereumLedger
    from storage.ledger.ethereum.reader import EthereumReader

RpcUrl = Annotated[
    str,
    typer.Option(
        envvar="HEARTH_RPC_URL", metavar="URL", parser=lambda text: _url(text), help="the chain's JSON-RPC endpoint"
    ),
]
Ledger = Annotated[
    Domain,
    typer.Option(
        envvar="HEARTH_LEDGER",
        metavar="CHAIN_ID:ADDRESS[@BLOCK]",
        parser=lambda text: _domain(text),
        help="the HearthLedger contract, its chain and its first block, or the file that hearth deploy wrote",
    ),
]
MaxGasPrice = Annotated[
    int, typer.Option(envvar="HEARTH_MAX_GAS_PRICE", min=1, max=10**15, help="most wei for a unit of gas, tip included")
]
MAX_GAS_PRICE = DEFAULT_GAS_LIMITS.max_price  # without the option


class Tag(StrEnum):
    """Of blocks that the chain, or the one below it, will not take back; the Ethereum API's words."""

    SAFE = "safe"
    FINALIZED = "finalized"


MAX_DEPLOYMENT_BYTES: Final = 16 * 1024
MOST_QUOTED: Final = 200  # letters of what somebody typed
SEED_BYTES: Final = 32
Store = Annotated[str, typer.Option(envvar="HEARTH_STORE", help="folder, or RPC URL of an IPFS node (Kubo)")]
Keystore = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="account as keystore V3 file")]
PasswordFile = Annotated[Path, typer.Option(exists=True, dir_okay=False, help="file with the keystore's password")]
Folder = Annotated[Path, typer.Option(help="where this role keeps its state; one role, one folder")]
Household = Annotated[
    Path,
    typer.Option(
        envvar="HEARTH_HOUSEHOLD",
        metavar="FOLDER",
        parser=lambda path: _at_home(path),
        help="what all tasks of this household share; one for all of them",
    ),
]
HOUSEHOLD = Path("~/.hearth")  # without the option
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")]
PollSeconds = Annotated[
    float | None,
    typer.Option(
        min=0.05, max=3600, help="between two looks at the chain while nothing happens; else as long as a block takes"
    ),
]
ConfirmBy = Annotated[
    Tag | None,
    typer.Option(
        envvar="HEARTH_CONFIRM_BY", help="nothing counts as confirmed before the chain's node gives its block this tag"
    ),
]
ReadyFile = Annotated[
    Path | None, typer.Option(parser=provable, metavar="FILE", help="gets the URL once the role listens")
]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        parser=provable, metavar="FILE", help="what it sent in each round and what it needed, as JSON, at the end"
    ),
]
SeedFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="32 bytes that replace the system's randomness: demonstrations only"
    ),
]
TaskNumber = Annotated[int, typer.Option("--task", min=1, help="number of the task on the ledger")]
JsonFile = Annotated[
    OutputFile | None, typer.Option("--json", metavar="FILE", parser=OutputFile, help="also write the result here")
]


def url_option(what: str, **more: Any) -> Any:
    """Of an option that takes the URL of a server, or several."""
    return typer.Option(parser=_url, metavar="URL", help=what, **more)


def ledger_option(what: str) -> Any:
    """Of an option that may name a ledger, where another command must."""
    return typer.Option(
        envvar="HEARTH_LEDGER", metavar="CHAIN_ID:ADDRESS[@BLOCK]", parser=lambda text: _domain(text), help=what
    )


def address_option(what: str) -> Any:
    """Of an option that takes an address, which a person types or pastes."""
    return typer.Option(parser=_address, metavar="ADDRESS", help=f"address {what}")


def open_ledger(
    rpc_url: str, ledger: Domain, keystore: Path, password_file: Path, max_gas_price: int
) -> EthereumLedger:
    """For a command that sends a transaction; it says so when this machine's clock is off."""
    from storage.ledger.ethereum.ledger import EthereumLedger
    from storage.ledger.signer import Signer

    signer = Signer.from_keystore(keystore, password_file)
    chain = EthereumLedger(rpc_url, ledger, signer, clock=telling_clock(), limits=GasLimits(max_gas_price))
    look_at_time(chain)
    return chain


def telling_clock() -> BlockClock:
    """Of a command: what it has to say goes to standard error, since it is no part of the answer."""
    from storage.ledger.ethereum.block_clock import BlockClock

    return BlockClock(tell=partial(typer.echo, err=True))


def look_at_time(chain: EthereumReader) -> None:
    """So that its clock knows whether this machine's is off. Nothing depends on it, so an endpoint may refuse."""
    from storage.ledger.interface import LedgerError

    with suppress(LedgerError):
        chain.now()


def _at_home(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # a container's user without a folder
        raise typer.BadParameter(f"{path}: this user has no home; name a folder") from error


def _url(text: str) -> str:
    if why := no_url(text):
        raise typer.BadParameter(why)
    return text


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except MalformedError as error:
        raise typer.BadParameter(error.args[0]) from error


def _domain(text: str) -> Domain:
    refused = f"{text[:MOST_QUOTED]}: neither CHAIN_ID:ADDRESS nor a deployment file"
    try:
        if ":" in text or not Path(text).is_file():
            return parse_domain(text)
        content = parse_json(read_bounded(Path(text), MAX_DEPLOYMENT_BYTES))
        return parse_domain(f"{content['chain_id']}:{content['ledger']}@{content.get('block', 0)}")
    except (MalformedError, OSError) as error:
        why = reason(error) if isinstance(error, OSError) else error.args[0]
        raise typer.BadParameter(f"{refused}: {why}") from error
    except (TypeError, LookupError, ValueError) as error:
        raise typer.BadParameter(refused) from error


def read_seed(path: Path | None) -> bytes | None:
    """The 32 seed bytes of a file."""
    if path is None:
        return None
    try:
        seed = read_bounded(path, SEED_BYTES)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {reason(error)}") from error
    if len(seed) != SEED_BYTES:
        raise typer.BadParameter(f"{path}: {len(seed)} bytes where a seed has {SEED_BYTES}")
    return seed
