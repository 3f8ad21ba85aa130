"""Who may open a household's page: a browser that was paired, by the link that the command prints or by a code.

Every program of this machine reaches loopback, and with ``--host`` every device of the home network reaches the page.
Without pairing all of them see nothing but the page that asks for a code.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from client_agent.web.book import HomeBook
from protocol.identifiers import sha256
from protocol.randomness import Randomness

OPEN: Final = frozenset({"/open", "/pair", "/manifest.webmanifest", "/worker.js", "/offline"})  # and /static/
SECRET_BYTES: Final = 32
CODE_DIGITS: Final = 8
CODE_SECONDS: Final = 300
ATTEMPTS: Final = 5  # at one code


class Devices:
    """Paired browsers are in the book, by the digests of their secrets. A code is for one device, and for minutes."""

    def __init__(self, book: HomeBook, randomness: Randomness, monotonic: Callable[[], float]) -> None:
        self._book, self._randomness, self._monotonic = book, randomness, monotonic
        self._mutex = threading.Lock()
        self._code, self._until, self._left = "", 0.0, 0
        self.token = randomness.draw("household/open", SECRET_BYTES).hex()

    def pair(self) -> str:
        """A new secret for a cookie."""
        secret = self._randomness.draw("household/device", SECRET_BYTES).hex()
        self._book.pair(sha256(secret.encode()))
        return secret

    def knows(self, secret: str) -> bool:
        return bool(secret) and sha256(secret.encode()) in self._book.state.devices

    def is_token(self, text: str) -> bool:
        """Of the link that the command printed."""
        return hmac.compare_digest(self.token.encode(), text.encode())

    def new_code(self) -> str:
        """In place of the one before."""
        number = int.from_bytes(self._randomness.draw("household/code", 16), "big") % 10**CODE_DIGITS
        with self._mutex:
            self._code, self._left = f"{number:0{CODE_DIGITS}}", ATTEMPTS
            self._until = self._monotonic() + CODE_SECONDS
            return self._code

    def take_code(self, text: str) -> bool:
        """Whether it is the code that is shown now, which it then is no longer."""
        typed = "".join(text.split())
        with self._mutex:
            if not self._left or self._monotonic() > self._until:
                return False
            self._left -= 1
            right = hmac.compare_digest(self._code.encode(), typed.encode())
            self._left = 0 if right else self._left
            return right


class Door:
    """Around the pages, behind their guard. ``version``: of what pages show, which a request remembers: a page asks for
    news from then on."""

    def __init__(
        self, app: ASGIApp, *, devices: Devices, cookie: Callable[[str], str], version: Callable[[], int]
    ) -> None:
        self._app, self._devices, self._cookie, self._version = app, devices, cookie, version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._may_pass(scope):
            answer: Response = RedirectResponse("/pair", 303)
            if Request(scope).headers.get("hx-request"):  # a script that asks for news of a page that is closed now
                answer = Response(status_code=403)
            await answer(scope, receive, send)
            return
        scope.setdefault("state", {})["version"] = self._version()
        await self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        path, headers = str(scope["path"]), Headers(scope=scope)
        if path in OPEN or path.startswith("/static/"):
            return True
        cookies = cookie_parser(headers.get("cookie", ""))
        return self._devices.knows(cookies.get(device_cookie(self._cookie(headers.get("host", ""))), ""))


def device_cookie(visitor_cookie: str) -> str:
    return f"{visitor_cookie}_device"
