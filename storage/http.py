"""One place that decides how a request leaves this machine: proxy, trusted certificates, credentials, and what an
error may show of a URL.

Loopback never uses a proxy. Everything else follows HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, upper or lower
case, and SSL_CERT_FILE or SSL_CERT_DIR; nothing else of the environment changes a request. The user's name and
password in a proxy's URL go to the proxy alone.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

import httpx2

from protocol.errors import MalformedError
from protocol.text import in_words
from storage.credentials import authorization
from storage.web_url import no_url

MAX_SHOWN_SEGMENT: Final = 16  # of a path: a longer one may be a provider's key
TransportT = TypeVar("TransportT")


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine, by name or address."""
    host = host.rstrip(".").lower()
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def proxy_of(url: str) -> str | None:
    """The proxy's URL for requests to this URL; None for a direct way."""
    parsed, proxies = urlsplit(url), getproxies_environment()
    host = (parsed.hostname or "").lower()
    proxy = proxies.get(parsed.scheme) or proxies.get("all")
    if not proxy or is_loopback(host) or _exempt(host, parsed.port, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _exempt(host: str, port: int | None, exceptions: str) -> bool:
    """NO_PROXY: names with all below them, addresses, networks, each with a port if wanted; ``*`` for everything."""
    return any(_covers(entry, host, port) for entry in exceptions.lower().replace(",", " ").split())


def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name, colon, of_port = entry.rpartition(":")
        if colon and of_port.isdigit():
            return port == int(of_port) and _covers(name, host, port)
        name = entry.removeprefix("*").lstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))


def tls_context() -> ssl.SSLContext:
    """Trusts SSL_CERT_FILE, else SSL_CERT_DIR, else the system. Raises OSError for a file that is none."""
    return httpx2.create_ssl_context()


def client(timeout_seconds: float = 10.0) -> httpx2.Client:
    """For requests to any number of servers; follows no redirect."""
    return _Client(transport=_Direct(), timeout=timeout_seconds, follow_redirects=False, trust_env=False)


def async_client(timeout_seconds: float = 10.0) -> httpx2.AsyncClient:
    return _AsyncClient(transport=_AsyncDirect(), timeout=timeout_seconds, follow_redirects=False, trust_env=False)


def server_url(url: str) -> str:
    """Of an edge server or key authority, without a slash at its end. Raises MalformedError."""
    if no_url(url) or "?" in url or "#" in url:
        raise MalformedError(f"not the URL of a server: {url.rpartition('@')[2][:100]!r}; like https://host:port/path")
    return url.rstrip("/")


def requests_settings(url: str) -> dict[str, Any]:
    """The same decisions for one server, as attributes of a ``requests.Session``."""
    proxy, header = proxy_of(url), authorization(url)
    return {
        "trust_env": False,
        "proxies": {"http": proxy, "https": proxy} if proxy else {},
        "verify": os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR") or True,
        "headers": {} if header is None else {"Authorization": header},
    }


def shown_url(url: str) -> str:
    """For messages and logs: without user, password, query and whatever in its path may be a key."""
    try:
        parsed = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    host = parsed.netloc.rpartition("@")[2]
    if not host:
        return "(not a URL)"
    return f"{parsed.scheme}://{host}{'/'.join(map(_segment, parsed.path.split('/')))}"


def failure(url: str, error: BaseException) -> str:
    """One line for a request that brought no answer: whom it went to, what happened, and by which proxy."""
    return f"{shown_url(url)}: {reason(url, error)}"


def reason(url: str, error: BaseException) -> str:
    """The same without the URL."""
    what = _REASONS.get(type(error)) or _plain(error)
    try:
        proxy = proxy_of(url)
    except ValueError:
        proxy = None
    return f"{what} (by the proxy {shown_url(proxy)} of the environment)" if proxy else what


def _plain(error: BaseException) -> str:
    """Without Python's names and the system's numbers."""
    kind, reason = in_words(type(error).__name__), re.sub(r"\[Errno -?\d+\] ", "", str(error))
    return f"{kind}: {reason}".removesuffix(": ")


def _segment(segment: str) -> str:
    return segment if len(segment) <= MAX_SHOWN_SEGMENT or segment.startswith("0x") else "..."


_REASONS: Final[dict[type[BaseException], str]] = {
    TimeoutError: "no answer in time",
    httpx2.ConnectTimeout: "cannot be reached: no connection in time",
    httpx2.ReadTimeout: "no answer in time",
    httpx2.WriteTimeout: "takes the request too slowly",
    httpx2.PoolTimeout: "too many requests at once",
}


class _Client(httpx2.Client):
    def build_request(self, *arguments: Any, **options: Any) -> httpx2.Request:
        return _authorized(super().build_request(*arguments, **options))


class _AsyncClient(httpx2.AsyncClient):
    def build_request(self, *arguments: Any, **options: Any) -> httpx2.Request:
        return _authorized(super().build_request(*arguments, **options))


def _authorized(request: httpx2.Request) -> httpx2.Request:
    """With the Authorization header that the credentials file has for the URL."""
    if (header := authorization(str(request.url))) is not None:
        request.headers["authorization"] = header
    return request


class _Ways(Generic[TransportT]):
    """One connection pool for each proxy, and one for the direct way, made when it is first used."""

    def __init__(self, make: Callable[[ssl.SSLContext, str | None], TransportT]) -> None:
        self._make, self._lock = make, threading.Lock()
        self.made: dict[str | None, TransportT] = {}

    def of(self, request: httpx2.Request) -> TransportT:
        proxy = proxy_of(str(request.url))
        with self._lock:
            if proxy not in self.made:
                self.made[proxy] = self._open(proxy, request)
            return self.made[proxy]

    def _open(self, proxy: str | None, request: httpx2.Request) -> TransportT:
        try:
            context = tls_context()
        except OSError as error:
            named = next(name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))
            raise httpx2.ConnectError(f"{named} names no certificates: {error}", request=request) from error
        try:
            return self._make(context, proxy)
        except (ValueError, ImportError, httpx2.InvalidURL) as error:
            raise httpx2.ProxyError("not a proxy that this program can use: http or https", request=request) from error


class _Direct(httpx2.BaseTransport):
    def __init__(self) -> None:
        self._ways = _Ways(lambda context, proxy: httpx2.HTTPTransport(context, trust_env=False, proxy=proxy))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._ways.of(request).handle_request(request)

    def close(self) -> None:
        for way in self._ways.made.values():
            way.close()


class _AsyncDirect(httpx2.AsyncBaseTransport):
    def __init__(self) -> None:
        self._ways = _Ways(lambda context, proxy: httpx2.AsyncHTTPTransport(context, trust_env=False, proxy=proxy))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._ways.of(request).handle_async_request(request)

    async def aclose(self) -> None:
        for way in self._ways.made.values():
            await way.aclose()
