"""Settings of one key authority's process; nothing here is agreed with anybody else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backend.listening import Listening
from backend.metrics.exposition import MetricsAddress
from protocol.domain import Domain

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@dataclass(frozen=True, slots=True)
class AuthoritySettings:
    folder: Path  # label log, encryption keys, clients' shares: readable by the owner only
    rpc_url: str
    domain: Domain  # the only contract, on the only chain, that it believes and pays
    listening: Listening
    max_bond_wei: int = 0  # that its bonds may be together, as far as it places them by itself
    other_rpc_urls: tuple[str, ...] = ()  # of the same chain: all must agree with the first
    poll_seconds: float | None = None  # between two looks at the chain; None: as long as a block takes
    database: URL | None = None  # with its records; None: one in the folder
    put_back: bool = False  # its records are an older copy, says the operator
    metrics: MetricsAddress | None = None  # None: nobody reads metrics
    otlp: str | None = None  # URL of the collector of its traces; None: it has none
    store: str | None = None  # content store, for screened tasks: folder, or URL of an IPFS node; None: it refuses them
    confirm_by: str | None = None  # tag of the chain's blocks without which none counts as confirmed: safe, finalized
