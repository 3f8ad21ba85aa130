"""Where a Kubo daemon's RPC is, from what an operator writes; and what a failure there is called."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from typing import Final

import requests
import urllib3

from protocol.errors import MalformedError
from storage.http import shown_url

RPC: Final = "api/v0"
_HOST: Final = re.compile("[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PATH: Final = re.compile("[A-Za-z0-9/._~-]*")
_MULTIADDR: Final = re.compile("/(?:ip[46]|dns[46]?)/([^/]+)/tcp/([0-9]+)(?:/(https?))?")
_SOCKET: Final = re.compile("/unix(/[a-z0-9/._~-]+)")


class KuboAddress:
    """``multiaddr`` and ``base`` (path of the RPC) are for the client library, ``url`` is for proxies and credentials,
    ``shown`` for messages. Raises MalformedError."""

    def __init__(self, location: str) -> None:
        if location.startswith("/"):
            self.multiaddr, self.base = location, RPC
            self.url = _url_of(location)
            self.shown = location
            return
        try:
            url = urllib.parse.urlsplit(location)
            host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        except ValueError as error:
            raise MalformedError(f"not a URL: {location!r}") from error
        if "@" in url.netloc:
            raise MalformedError("no password in a URL: it shows in lists of processes; use HEARTH_CREDENTIALS")
        if url.scheme not in ("http", "https") or url.query or url.fragment or not _PATH.fullmatch(url.path):
            raise MalformedError(f"expected http(s)://host:port, or a path behind it, got {location!r}")
        prefix = url.path.strip("/").removesuffix(RPC).strip("/")
        self.multiaddr = f"/{_kind(host)}/{host}/tcp/{port}/{url.scheme}"
        self.base = f"{prefix}/{RPC}" if prefix else RPC
        self.url = f"{url.scheme}://{url.netloc}/{self.base}"
        self.shown = shown_url(self.url.removesuffix(f"/{RPC}"))

    def failure(self, error: BaseException) -> str:
        """One line: what did not work, and what the system says of it."""
        return f"{self.shown}: {_reason(error)}"


def _kind(host: str) -> str:
    try:
        return f"ip{ipaddress.ip_address(host).version}"
    except ValueError:
        if not _HOST.fullmatch(host):
            raise MalformedError(f"not a host name: {host!r}") from None
        return "dns"


def _url_of(multiaddr: str) -> str:
    if multiaddr.startswith("/unix/"):
        found = _SOCKET.fullmatch(multiaddr)
        if found is None:  # the client library writes the path where a host name stands, which has no capitals
            raise MalformedError(
                f"{multiaddr!r}: a socket is reached by a path of small letters, digits and /._~- only; link to it"
            )
        return f"http://localhost/{RPC}"  # which no proxy stands before
    found = _MULTIADDR.fullmatch(multiaddr)
    if found is None:
        raise MalformedError(f"not the address of a daemon: {multiaddr!r}")
    host = f"[{found[1]}]" if ":" in found[1] else found[1]
    return f"{found[3] or 'http'}://{host}:{found[2]}/{RPC}"


def _reason(error: BaseException) -> str:
    """Of the layers of libraries that an error came through the lowest one knows why."""
    chain = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None and len(chain) < 20:
        chain.append(below)
    for one in reversed(chain):
        if isinstance(one, requests.exceptions.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError):
            return "no connection in time"
        if isinstance(one, TimeoutError | urllib3.exceptions.ReadTimeoutError | requests.exceptions.ReadTimeout):
            return "no answer in time"
        if isinstance(one, OSError) and not isinstance(one, requests.RequestException) and one.strerror:
            return one.strerror
    if any(isinstance(one, urllib3.exceptions.ProtocolError) for one in chain):
        return "the connection broke"
    return "not the answer of a Kubo daemon"
