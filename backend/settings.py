"""Settings of one edge server's process; nothing here is agreed with anybody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.aggregation.cluster import Cluster
from backend.listening import Listening
from backend.metrics.exposition import MetricsAddress
from protocol.domain import Domain
from protocol.identifiers import Address
from storage.ledger.gas_limits import DEFAULT_GAS_LIMITS, GasLimits

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@dataclass(frozen=True, slots=True, repr=False)
class VoucherFolder:
    """The manufacturer's voucher keys: a folder of key files, and the password that opens them."""

    folder: Path
    password: str


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    folder: Path  # its records, unless they are in another database, and what can be made again
    rpc_url: str
    domain: Domain  # the only contract, on the only chain, that it believes and pays
    store: str  # content store: folder, or URL of an IPFS node's RPC
    authorities: tuple[str, ...]  # URLs of key authorities; which of them a task names is seen by their addresses
    listening: Listening
    censored: frozenset[Address] = frozenset()  # ignored on purpose: for demonstrations of the way round it
    poll_seconds: float | None = None  # between two looks at the chain; None: as long as a block takes
    max_bond_wei: int = 0  # that its bonds may be together, as far as it places them by itself
    gas: GasLimits = DEFAULT_GAS_LIMITS
    public_urls: tuple[str, ...] = ()  # by which people reach it; without any, signing in works on this machine alone
    allowed_origins: tuple[str, ...] = ()  # of pages elsewhere that may use its API
    cluster: Cluster | None = None  # whose workers verify and add ciphertexts; None: this process does
    database: URL | None = None  # with the records that its processes share; None: one in the folder
    put_back: bool = False  # its records are an older copy, says the operator
    metrics: MetricsAddress | None = None  # None: nobody reads metrics
    otlp: str | None = None  # URL of the collector of its traces; None: it has none
    confirm_by: str | None = None  # tag of the chain's blocks without which none counts as confirmed: safe, finalized
    pins: tuple[str, ...] = ()  # other content stores of this operator, which keep its running tasks' objects too
    vouchers: VoucherFolder | None = None  # None: it redeems no codes
    kept_days: int = 90  # that content stays there after the last day on which anybody can claim
    # of a task, as ``hearth audit --json`` tells it, with ``--save-evidence`` at the path; None: it runs none
    audit: Callable[[int, Path], bytes] | None = None
