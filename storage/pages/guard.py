"""What stands before every page: who may ask, from where, and what a browser may do with the answer.

A form that changes something must come from this page itself. A browser says where a request comes from (``Origin``,
``Sec-Fetch-Site``); beside that, each form carries a token that only a reader of this site's own pages can know.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Callable, Container
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.errors import HearthError, Party
from protocol.randomness import Randomness

POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "manifest-src 'self'",
        "worker-src 'self'",
    ]
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
FORM: Final = "application/x-www-form-urlencoded"
TOKEN: Final = "csrf"  # the field of a form
TOKEN_HEADER: Final = "x-csrf-token"
MAX_FORM_BYTES: Final = 256 * 1024
MAX_FIELDS: Final = 500
FORM_SECONDS: Final = 30.0
SALT_BYTES: Final = 8
NAME_BYTES: Final = 16
_STATUS: Final = {"E_NOT_FOUND": 421, "E_TIMEOUT": 408, "E_TOO_LARGE": 413}
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_VISITOR: Final = re.compile(f"[0-9a-f]{{{2 * NAME_BYTES}}}")


class RefusedPageError(HearthError):
    """This request does not come from the page that it pretends to come from, or asks for too much."""

    code = "E_REFUSED"


class Tokens:
    """Of one process: a token is bound to the visitor's cookie, and looks different each time it is written."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._key = randomness.draw("pages/tokens", 32)

    def new_visitor(self) -> str:
        return self._randomness.draw("pages/visitor", NAME_BYTES).hex()

    def issue(self, visitor: str) -> str:
        salt = self._randomness.draw("pages/salt", SALT_BYTES).hex()
        return f"{salt}.{self._sealed(visitor, salt)}"

    def accepts(self, visitor: str, token: str) -> bool:
        salt, _, sealed = token.partition(".")
        return bool(visitor) and hmac.compare_digest(self._sealed(visitor, salt).encode(), sealed.encode())

    def _sealed(self, visitor: str, salt: str) -> str:
        return hmac.digest(self._key, f"{visitor}/{salt}".encode(), hashlib.sha256).hex()


class Guard:
    """Around an application of pages. ``hosts``: the names, without port, by which it may be asked.

    Refuses another name (a stranger's page whose name points here), a form from another page, without a token, or of
    more than ``max_bytes``. What is refused is answered by ``refuse``.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Container[str],
        cookie: Callable[[Headers], str],
        tokens: Tokens,
        refuse: Callable[[Request, int, RefusedPageError], ASGIApp],
        max_bytes: int = MAX_FORM_BYTES,
    ) -> None:
        self._app, self._hosts, self._cookie = app, hosts, cookie
        self._tokens, self._refuse, self._max_bytes = tokens, refuse, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            receive = await self._admitted(scope, receive)
        except RefusedPageError as error:
            refusal = self._refuse(Request(scope), _STATUS.get(error.code, 403), error)
            await refusal(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    async def _admitted(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        host = urlsplit(f"//{headers.get('host', '')}")
        if _name(host.netloc) not in self._hosts:
            raise RefusedPageError("this page is not served under that name", fault=Party.CLIENT, code="E_NOT_FOUND")
        if scope["method"] in _SAFE:
            return receive
        if not _comes_from(headers.get("origin"), headers.get("sec-fetch-site"), host.netloc):
            raise RefusedPageError("this form was sent from another page", fault=Party.CLIENT)
        body = await _read(receive, self._max_bytes)
        visitor = cookie_parser(headers.get("cookie", "")).get(self._cookie(headers), "")
        if not self._tokens.accepts(visitor, _token(headers, body)):
            raise RefusedPageError(
                "this form is too old, or cookies are off: load the page again, and send it from there",
                fault=Party.CLIENT,
            )
        return _replayed(body, receive)


def _comes_from(origin: str | None, site: str | None, netloc: str) -> bool:
    """Under our own ``Referrer-Policy`` a browser calls the origin of a form "null", and says of the site where it is
    from; one that says neither is none, and then the token alone decides."""
    if site not in (None, "same-origin", "none"):
        return False
    if origin == "null":
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc == netloc


def is_visitor(text: str) -> bool:
    return _VISITOR.fullmatch(text) is not None


def fields_of(body: bytes) -> list[tuple[str, str]]:
    """Of a form. Raises RefusedPageError."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise RefusedPageError("not a form that this page has", fault=Party.CLIENT) from error


def _token(headers: Headers, body: bytes) -> str:
    if header := headers.get(TOKEN_HEADER):
        return header
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return ""
    return dict(fields_of(body)).get(TOKEN, "")


async def _read(receive: Receive, max_bytes: int) -> bytes:
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(FORM_SECONDS):
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message["type"] == "http.request" and message.get("more_body", False)
                if len(body) > max_bytes:
                    raise RefusedPageError(f"more than {max_bytes} bytes", fault=Party.CLIENT, code="E_TOO_LARGE")
    except TimeoutError as error:
        raise RefusedPageError("the form takes too long", fault=Party.CLIENT, code="E_TIMEOUT") from error
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return rest.pop() if rest else await receive()

    return replayed


def _name(netloc: str) -> str:
    """Without port; an IPv6 address in its brackets."""
    return (netloc.rpartition("]")[0] + "]" if netloc.startswith("[") else netloc.partition(":")[0]).lower()
