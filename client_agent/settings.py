"""Settings of one phone's process; nothing here is agreed with anybody else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from protocol.domain import Domain
from protocol.errors import MalformedError

PRIVACY_LEDGER: Final = "privacy"  # files in the folder of the household
POLICY: Final = "policy.toml"
COINS: Final = "coins"  # which examples are never trained on


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Raises MalformedError for a household inside the task's folder: who deletes that would reset the charges."""

    folder: Path  # journal and keys of one task: readable by the owner only
    household: Path  # what all tasks share: policy and privacy ledger
    data: Path  # the household's examples
    edge_urls: tuple[str, ...]  # of the task's edge servers, the one asked first in front
    rpc_url: str
    domain: Domain  # the only contract, on the only chain, that it believes and pays
    store: str  # content store: folder, or URL of an IPFS node's RPC
    task: int
    voucher_code: bytes = field(default=b"", repr=False)  # of the household's appliance, where the task needs vouchers
    poll_seconds: int = 20  # how long one long poll asks the edge server to wait
    chain_seconds: float | None = None  # between two looks at the chain; None: as long as a block takes
    confirm_by: str | None = None  # tag of the chain's blocks without which none counts as confirmed: safe, finalized
    data_set: str | None = None  # that ``data`` belongs to; None: the one it has, or home
    max_data_bytes: int = 512 * 1024 * 1024
    example_budget_micro: int | None = (
        None  # epsilon of every single example in this task; None: no budgets of their own
    )

    def __post_init__(self) -> None:
        if _real(self.household).is_relative_to(_real(self.folder)):
            raise MalformedError(f"{self.household}: the household lies inside the folder of one task, {self.folder}")


def _real(path: Path) -> Path:
    """Without links, also where they lead in a circle."""
    return Path(os.path.realpath(path))
