"""Chooses the content store from the one line of text that an operator writes."""

from __future__ import annotations

from pathlib import Path

from protocol.errors import MalformedError
from storage.content.filesystem import FilesystemStore
from storage.content.interface import ContentStore

_KUBO_PREFIXES = ("http://", "https://", "/ip4/", "/ip6/", "/dns/", "/dns4/", "/dns6/")


def open_store(location: str, timeout_seconds: float = 10.0) -> ContentStore:
    """A Kubo daemon for ``http(s)://host:port`` or a multiaddr, else the folder of that path. Raises MalformedError."""
    if location.startswith(_KUBO_PREFIXES):
        from storage.content.kubo_client import KuboStore  # who uses folders only need not have the client library

        return KuboStore(location, timeout_seconds)
    if not location or "://" in location:
        raise MalformedError(f"neither a folder nor http(s):// nor a multiaddr: {location!r}")
    return FilesystemStore(Path(location))
