"""How many requests a server answers at once, of all and of one address; who is one too many is told when to return."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from backend.connections import ConnectionLimits, origin
from backend.problem import RETRY_SECONDS, problem


class RequestLimit:
    """Around an application. The address is the one that a trusted proxy names, where there is one."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        self._app, self._limits = app, limits
        self._of: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        of = origin(scope.get("client"))
        if self._of[of] >= self._limits.requests_of_one or self._of.total() >= self._limits.requests:
            refusal = problem(503, "E_BUSY", "too many requests at once")
            refusal.headers["retry-after"] = str(RETRY_SECONDS["E_BUSY"])
            await refusal(scope, receive, send)
            return
        self._of[of] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._of[of] -= 1
            if not self._of[of]:
                del self._of[of]
