"""Chooses the content store from the one line of text that an operator writes."""

from __future__ import annotations

from pathlib import Path

from protocol.errors import MalformedError
from storage.content.filesystem import FilesystemStore
from storage.content.interface import ContentStore
from storage.content.patient import PatientStore

KUBO_PREFIXES = ("http://", "https://", "/ip4/", "/ip6/", "/dns/", "/dns4/", "/dns6/", "/unix/")


def open_store(location: str, timeout_seconds: float = 10.0) -> ContentStore:
    """What is asked again when it fails, of a folder's path or of a Kubo daemon's RPC. Raises MalformedError.

    The daemon: ``http(s)://host[:port][/path]``, where ``/api/v0`` stands below the path, or a multiaddr of the kinds
    ip4, ip6, dns, dns4, dns6 with ``/tcp/port[/http|/https]``, or ``/unix/path`` of its socket.
    """
    if location.startswith(KUBO_PREFIXES):
        from storage.content.kubo_client import KuboStore  # who uses folders only need not have the client library

        return PatientStore(KuboStore(location, timeout_seconds))
    if not location or "://" in location or "\0" in location:
        raise MalformedError(f"neither a folder nor http(s):// nor a multiaddr: {location!r}")
    return FilesystemStore(Path(location))
