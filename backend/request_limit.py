"""How many requests a server answers at once, of all and of one address; who is one too many is told when to return.

One that waits for news costs little, and there may be many of them: they are counted apart from those that are worked
on, so that no crowd of waiting phones keeps others out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from backend.connections import ConnectionLimits, origin
from backend.gone import GONE, Gone
from backend.problem import RETRY_SECONDS, RequestError, problem
from protocol.errors import Party

SEAT: Final = "hearth.seat"  # of a request, in its scope


class Seats:
    """Of one kind of requests: how many there are of each address, and how many there may be."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._of: Counter[str] = Counter()
        self._taken = 0

    def take(self, of: str) -> bool:
        if self._taken >= self._most or self._of[of] >= self._most_of_one:
            return False
        self.add(of)
        return True

    def add(self, of: str) -> None:
        """Beyond any limit."""
        self._taken += 1
        self._of[of] += 1

    def leave(self, of: str) -> None:
        self._taken -= 1
        self._of[of] -= 1
        if not self._of[of]:
            del self._of[of]


class RequestLimit:
    """Around an application. The address is the one that a trusted proxy names, where there is one."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        self._app = app
        self._working = Seats(limits.requests, limits.requests_of_one)
        self._waiting = Seats(limits.polls, limits.polls_of_one)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        of = origin(scope.get("client"))
        if not self._working.take(of):
            refusal = problem(503, "E_BUSY", "too many requests at once")
            refusal.headers["retry-after"] = str(RETRY_SECONDS["E_BUSY"])
            await refusal(scope, receive, send)
            return
        scope[SEAT] = self, of
        try:
            await self._app(scope, receive, send)
        finally:
            self._working.leave(of)

    @contextmanager
    def waiting(self, of: str) -> Iterator[None]:
        """Raises RequestError where too many wait. Whoever has waited is let in again, whoever else came meanwhile."""
        if not self._waiting.take(of):
            raise RequestError("too many requests wait", fault=Party.CLIENT, code="E_BUSY")
        self._working.leave(of)
        try:
            yield
        finally:
            self._waiting.leave(of)
            self._working.add(of)


@contextmanager
def waiting(scope: Scope) -> Iterator[Gone]:
    """Meanwhile the request of this scope waits for news and counts as one that does. Raises RequestError."""
    gone = scope[GONE] = Gone()
    seat: tuple[RequestLimit, str] | None = scope.get(SEAT)
    try:
        with nullcontext() if seat is None else seat[0].waiting(seat[1]):
            yield gone
    finally:
        del scope[GONE]
