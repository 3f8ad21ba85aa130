"""A content store whose operator decides how long it keeps what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from protocol.content.cid import Cid
from protocol.errors import MalformedError
from storage.content.filesystem import FilesystemStore
from storage.content.interface import ContentStore
from storage.content.open_store import KUBO_PREFIXES


class PinningStore(ContentStore, Protocol):
    """What is ``put`` stays until it is unpinned."""

    def pinned(self, cid: Cid) -> bool:
        """Whether it stays; that all of it is there is seen by reading it alone. Raises StoreUnavailableError."""
        ...

    def unpin(self, cid: Cid) -> None:
        """It need not stay any longer; nothing happens where it did not. Raises StoreUnavailableError."""
        ...


def open_pins(location: str, timeout_seconds: float = 10.0) -> PinningStore:
    """Of a folder's path or of a Kubo daemon's RPC; see :func:`storage.content.open_store.open_store`.

    Asked once each time: whoever keeps content comes back by itself. Raises MalformedError.
    """
    if location.startswith(KUBO_PREFIXES):
        from storage.content.kubo_client import KuboStore

        return KuboStore(location, timeout_seconds)
    if not location or "://" in location or "\0" in location:
        raise MalformedError(f"neither a folder nor http(s):// nor a multiaddr: {location!r}")
    return FilesystemStore(Path(location))
