"""What is to be looked at: all of it is optional, without any of it the machine alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protocol.domain import Domain
from storage.content.open_store import KUBO_PREFIXES

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


@dataclass(frozen=True)
class Subject:
    """``folders``: of roles. ``write``: whether the store may be written to. ``now``: this machine's clock."""

    rpc_url: str | None = None
    ledger: Domain | None = None
    store: str | None = None
    edges: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()
    keystore: Path | None = None
    password_file: Path | None = None
    folders: tuple[Path, ...] = ()
    write: bool = False
    database: URL | None = None
    task: int | None = None  # whose servers and content are looked at
    pins: tuple[str, ...] = ()  # content stores that are to have all of the task too
    sample: int = 20  # objects to read back from each store, ...
    seed: int = 0  # ... chosen by it
    now: Callable[[], float] = time.time

    @property
    def store_folder(self) -> Path | None:
        """None when the store is a daemon, or none is named."""
        is_daemon = self.store is None or self.store.startswith(KUBO_PREFIXES) or "://" in self.store
        return None if is_daemon or not self.store else Path(self.store)

    @property
    def urls(self) -> tuple[str, ...]:
        """Of everybody who is reached over HTTP."""
        named = (self.rpc_url, self.store, *self.pins, *self.edges, *self.authorities)
        return tuple(url for url in named if url is not None and "://" in url)
