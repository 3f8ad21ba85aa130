"""A content store behind the RPC interface of a Kubo daemon; every answer is verified before it is used."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from io import BytesIO
from typing import Any

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
from storage.content.kubo_address import KuboAddress
from storage.content.kubo_answer import KuboRefusedError, admit, pieces
from storage.http import requests_settings

MIN_BYTES_PER_SECOND = 16_384  # a slower daemon counts as one that does not answer
_EMPTY = cid_of(b"")
# the client library lets errors of all the layers below it through
_FAILURES = (ipfs.Error, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)


class KuboStore:
    """Talks to one daemon; may be shared by threads.

    ``location`` is ``http(s)://host:port``, with a path when the RPC stands below one, or a multiaddr
    (``/ip4/127.0.0.1/tcp/5001``, ``/unix/run/kubo.sock``); ``timeout_seconds`` bounds each silence of the daemon.
    Proxy, certificates and credentials are those of :mod:`storage.http`.
    """

    def __init__(
        self, location: str, timeout_seconds: float = 10.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if ipfshttpclient.http.PREFER_HTTPX:
            raise StoreUnavailableError("unset PY_IPFS_HTTP_CLIENT_PREFER_HTTPX: that back end is broken", lasting=True)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self.address = KuboAddress(location)
        try:
            # not connect(): it warns about every daemon newer than 0.8
            self._client = ipfshttpclient.Client(
                self.address.multiaddr, self.address.base, session=True, timeout=(timeout_seconds, timeout_seconds)
            )
        except ipfs.AddressError as error:
            raise MalformedError(f"not the address of a daemon: {location!r}") from error
        self._set_up(self._client._client._session)

    def _set_up(self, session: Any) -> None:
        """``session``: of requests, as the client library has changed it."""
        for name, value in requests_settings(self.address.url).items():
            setattr(session, name, value)
        if session.proxies:
            session.family = 0  # the library writes it into the scheme, and requests looks for a proxy by scheme
        session.hooks = {"response": [partial(admit, self.address.shown)]}
        for adapter in session.adapters.values():
            # an argument of the library's that urllib3 2 warns about on every connection and urllib3 3 refuses
            adapter.poolmanager.connection_pool_kw.pop("strict", None)

    def close(self) -> None:
        self._client.close()

    def daemon_version(self) -> str:
        """The version that the daemon states; the cheapest way to learn whether it answers."""
        try:
            answer = self._client.version()
            return str(answer["Version"])
        except (*_FAILURES, KuboRefusedError, KeyError, TypeError, AssertionError) as error:
            raise StoreUnavailableError(self.address.failure(error)) from error

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
        except (*_FAILURES, KuboRefusedError, KeyError, TypeError, AssertionError) as error:
            raise StoreUnavailableError(f"{cid.text}: not stored: {self.address.failure(error)}") from error
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

    def pinned(self, cid: Cid) -> bool:
        return self._of_pins(cid, lambda: self._client.pin.ls(cid.text, type="recursive")["Keys"]) is not None

    def unpin(self, cid: Cid) -> None:
        """The daemon's next garbage collection removes it, unless another pin holds it."""
        self._of_pins(cid, lambda: self._client.pin.rm(cid.text)["Pins"])

    def _of_pins(self, cid: Cid, ask: Callable[[], object]) -> object | None:
        """None where the daemon has no such pin."""
        try:
            return ask()
        except KuboRefusedError as error:
            if "not pinned" in str(error):
                return None
            raise StoreUnavailableError(f"{cid.text}: {self.address.shown}: {error}") from error
        except (*_FAILURES, KeyError, TypeError, AssertionError) as error:
            raise StoreUnavailableError(f"{cid.text}: pins: {self.address.failure(error)}") from error

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
            # the public cat() reads without bound whatever the daemon sends; the layer below hands out the response
            resources, _ = self._client._client._request(
                "POST",
                "cat",
                [("arg", cid.text), ("length", str(max_bytes + 1))],
                auth=None,
                data=None,
                headers={"Accept-Encoding": "identity"},
                timeout=None,
                chunk_size=None,
            )
            with closing(resources[0]) as response:
                for piece in pieces(response):
                    received += piece
                    if len(received) > max_bytes:
                        raise ContentTooLargeError(f"{cid.text}: larger than {max_bytes} bytes")
                    if self._clock() > deadline:
                        raise ContentMissingError(f"{cid.text}: the daemon delivers too slowly")
        except KuboRefusedError as error:
            raise ContentMissingError(f"{cid.text}: not delivered: {error}") from error
        except _FAILURES as error:
            if received and isinstance(error, urllib3.exceptions.ReadTimeoutError):
                raise ContentMissingError(f"{cid.text}: the daemon fell silent") from error
            if _was_asked(error) and self._is_there():
                raise ContentMissingError(f"{cid.text}: not delivered in {self._timeout_seconds:g} s") from error
            raise StoreUnavailableError(self.address.failure(error)) from error
        return bytes(received)

    def _is_there(self) -> bool:
        """Whether the daemon answers at all: one that waits for peers to deliver content does."""
        try:
            self._client.version()
        except (*_FAILURES, StoreUnavailableError) as error:
            return isinstance(error, StoreUnavailableError)
        except (KuboRefusedError, KeyError, TypeError, AssertionError):
            pass
        return True


def _was_asked(error: BaseException) -> bool:
    """It took the question and said nothing in time."""
    original = getattr(error, "original", error)
    return isinstance(original, requests.exceptions.ReadTimeout | urllib3.exceptions.ReadTimeoutError)
