"""Under which names people reach this server: a message that somebody signed for another name must not sign in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from backend.api.sessions import SignInError, Site
from storage.http import is_loopback


@dataclass(frozen=True, slots=True)
class Sites:
    """``urls``: public ones of this server; without any it is reached on loopback alone. ``origins``: of pages
    elsewhere that may use it."""

    urls: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def site_of(self, request: HTTPConnection) -> Site:
        """Whose page the wallet sees. Raises SignInError for a name that this server was not told.

        The Host header alone proves nothing: whoever lured somebody into signing for another name would send that one.
        """
        origin = request.headers.get("origin")
        if origin is not None and origin in self.origins:
            return _site(origin)
        host = request.headers.get("host", "")
        for url in self.urls:
            if host == _site(url).domain:
                return _site(url)
        if not self.urls and is_loopback(urlsplit(f"//{host}").hostname or ""):
            return Site(request.url.scheme, host)
        raise SignInError(f"this server was not told that it is {host[:100]}: its operator adds --public-url")

    def is_own(self, request: HTTPConnection) -> bool:
        """Whether the page that asks is one of this server's: a browser says so with whatever changes something."""
        site = self.site_of(request)
        return request.headers.get("origin") == f"{site.scheme}://{site.domain}"


LOOPBACK_ONLY = Sites()


def _site(url: str) -> Site:
    parts = urlsplit(url)
    return Site(parts.scheme, parts.netloc)


def origins_of(urls: Sequence[str]) -> tuple[str, ...]:
    """Scheme and host of each. Raises ValueError for anything else than an http or https address without a path."""
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/"):
            raise ValueError(f"{url}: http:// or https://, a name, and nothing behind it")
        if parts.query or parts.fragment or "@" in parts.netloc or parts.netloc != parts.netloc.lower():
            raise ValueError(f"{url}: only a scheme, a name in lower case and a port")
    return tuple(f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" for url in urls)
