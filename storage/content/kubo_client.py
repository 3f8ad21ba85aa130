"""A content store behind the RPC interface of a Kubo daemon; every answer is verified before it is used."""

from __future__ import annotations

import ipaddress
import re
import time
import urllib.parse
from collections.abc import Callable
from contextlib import closing
from io import BytesIO

import ipfshttpclient
import requests
import urllib3
from ipfshttpclient import exceptions as ipfs

from protocol.content.cid import CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_NODE_BYTES, Cid, cid_of, file_bytes_of
from protocol.errors import MalformedError
from storage.content.interface import (
    ContentCorruptError,
    ContentError,
    ContentMissingError,
    ContentTooLargeError,
    StoreUnavailableError,
    address_for_put,
    verified,
)

READ_BYTES = 65_536
MIN_BYTES_PER_SECOND = 16_384  # a slower daemon counts as one that does not answer
_EMPTY = cid_of(b"")
# the client library drops the error trailer of a body, so a daemon that died can show as a RequestException
_FAILURES = (ipfs.Error, requests.exceptions.RequestException)


class KuboStore:
    """Talks to one daemon; may be shared by threads.

    ``location`` is ``http://host:port`` or a multiaddr (``/ip4/127.0.0.1/tcp/5001``); ``timeout_seconds`` bounds each
    silence of the daemon; ``auth`` is (user, password) of the daemon's ``API.Authorizations``.
    """

    def __init__(
        self,
        location: str,
        timeout_seconds: float = 10.0,
        *,
        auth: tuple[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if ipfshttpclient.http.PREFER_HTTPX:
            raise StoreUnavailableError("unset PY_IPFS_HTTP_CLIENT_PREFER_HTTPX: that back end is broken")
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        try:
            # not connect(): it warns about every daemon newer than 0.8
            self._client = ipfshttpclient.Client(
                to_multiaddr(location), session=True, timeout=(timeout_seconds, timeout_seconds), auth=auth
            )
        except ipfs.AddressError as error:
            raise MalformedError(f"not the address of a daemon: {location!r}") from error
        for adapter in self._client._client._session.adapters.values():
            # an argument of the library's that urllib3 2 warns about on every connection and urllib3 3 refuses
            adapter.poolmanager.connection_pool_kw.pop("strict", None)

    def close(self) -> None:
        self._client.close()

    def daemon_version(self) -> str:
        """The version that the daemon states; the cheapest way to learn whether it answers."""
        try:
            answer = self._client.version()
            return str(answer["Version"])
        except (*_FAILURES, KeyError, TypeError, AssertionError) as error:
            raise StoreUnavailableError(f"no Kubo daemon answers: {error!r}") from error

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        """Adds, pins and reads back: a daemon with a damaged block acknowledges the add, too."""
        cid = address_for_put(data, chunk_bytes)
        try:
            answer = self._client.add(  # every parameter, so that no Import.* setting of the daemon changes the address
                BytesIO(data),
                cid_version=1,
                raw_leaves=True,
                chunker=f"size-{chunk_bytes}",
                trickle=False,
                pin=True,
                opts={"hash": "sha2-256", "max-file-links": 174, "inline": "false", "cid-base": "base32"},
            )
            answered = str(answer["Hash"])
        except (*_FAILURES, KeyError, TypeError, AssertionError) as error:
            raise StoreUnavailableError(f"{cid.text}: not stored: {error!r}") from error
        if answered != cid.text:
            raise ContentCorruptError(f"{cid.text}: the daemon stored it as {answered[:80]!r}")
        self.get(cid, len(data), chunk_bytes)
        return cid

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        data = self._cat(cid, max_bytes)
        try:
            return verified(data, cid, max_bytes, chunk_bytes)
        except ContentCorruptError as error:
            if self._is_cut_short(cid, data):
                raise ContentMissingError(f"{cid.text}: the daemon delivered only {len(data)} bytes") from error
            raise

    def _is_cut_short(self, cid: Cid, data: bytes) -> bool:
        """A daemon that lacks a block of the file answers 200 with the bytes before that block."""
        if cid.codec == "raw":
            return not data and cid != _EMPTY
        root = Cid("raw", cid.digest)
        try:
            node = verified(self._cat(root, MAX_NODE_BYTES), root, MAX_NODE_BYTES, MAX_CHUNK_BYTES)
            return len(data) < file_bytes_of(node)
        except ContentMissingError:
            return True
        except (ContentError, MalformedError):
            return False

    def _cat(self, cid: Cid, max_bytes: int) -> bytes:
        """Unverified bytes of a file, cut off one byte after ``max_bytes``."""
        deadline = self._clock() + self._timeout_seconds + max_bytes / MIN_BYTES_PER_SECOND
        received = bytearray()
        try:
            # the public cat() reads without bound whatever the daemon sends; the layer below takes a piece size
            resources, pieces = self._client._client._request(
                "POST",
                "cat",
                [("arg", cid.text), ("length", str(max_bytes + 1))],
                auth=None,
                data=None,
                headers={"Accept-Encoding": "identity"},
                timeout=None,
                chunk_size=READ_BYTES,
            )
            with closing(resources[0]):
                for piece in pieces:
                    received += piece
                    if len(received) > max_bytes:
                        raise ContentTooLargeError(f"{cid.text}: larger than {max_bytes} bytes")
                    if self._clock() > deadline:
                        raise ContentMissingError(f"{cid.text}: the daemon delivers too slowly")
        except (ipfs.TimeoutError, ipfs.ErrorResponse) as error:
            raise ContentMissingError(f"{cid.text}: not delivered: {error}") from error
        except _FAILURES as error:
            if error.args and isinstance(error.args[0], urllib3.exceptions.ReadTimeoutError):  # in mid-body
                raise ContentMissingError(f"{cid.text}: the daemon fell silent") from error
            raise StoreUnavailableError(f"{cid.text}: the daemon failed: {error!r}") from error
        return bytes(received)


def to_multiaddr(location: str) -> str:
    """``http(s)://host:port`` as the multiaddr that the client library wants; a multiaddr stays as it is."""
    if location.startswith("/"):
        return location
    try:
        url = urllib.parse.urlsplit(location)
        host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        raise MalformedError(f"not a URL: {location!r}") from error
    if url.scheme not in ("http", "https") or url.path.strip("/") or url.query or url.fragment or "@" in url.netloc:
        raise MalformedError(f"expected http://host:port, got {location!r}")
    try:
        kind = f"ip{ipaddress.ip_address(host).version}"
    except ValueError:
        kind = "dns"
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", host):
            raise MalformedError(f"not a host name: {host!r}") from None
    return f"/{kind}/{host}/tcp/{port}/{url.scheme}"
