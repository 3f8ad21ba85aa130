"""Options that several commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RpcUrl = Annotated[str, typer.Option(envvar="HEARTH_RPC_URL", help="the chain's JSON-RPC endpoint")]
Ledger = Annotated[str, typer.Option(envvar="HEARTH_LEDGER", help="address of the HearthLedger contract")]
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


def read_seed(path: Path | None) -> bytes | None:
    """The 32 seed bytes of a file."""
    if path is None:
        return None
    seed = path.read_bytes()
    if len(seed) != 32:
        raise typer.BadParameter(f"{path}: {len(seed)} bytes where a seed has 32")
    return seed
