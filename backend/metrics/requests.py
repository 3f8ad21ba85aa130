"""Each request is counted by the template of its route, and what is logged meanwhile says which request it was of."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.metrics.process_metrics import ProcessMetrics
from backend.trace_context import trace_of

UNMATCHED: Final = "none"  # in place of a path that no route has: whoever asks for it chooses it
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_TASK: Final = re.compile(r"/tasks/([1-9][0-9]{0,17})(?![0-9])(?:/rounds/([1-9][0-9]{0,9})(?![0-9]))?", re.ASCII)


class WatchedRequests:
    """Around an application. ``metrics`` None: only the log is told. ``clock`` is any that only runs, in seconds."""

    def __init__(
        self, app: ASGIApp, metrics: ProcessMetrics | None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._metrics, self._clock = app, metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with structlog.contextvars.bound_contextvars(**_named(scope)):
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._metrics is None:
            await self._app(scope, receive, send)
            return
        status = 500  # unless something is answered

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = self._clock()
        self._metrics.running(1)
        try:
            await self._app(scope, receive, noting)
        finally:
            self._metrics.running(-1)
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.request(method, route_of(scope), status, self._clock() - begun)


def route_of(scope: Scope) -> str:
    """The template of the route that took the request."""
    return str(getattr(scope.get("route"), "path", UNMATCHED))


def _named(scope: Scope) -> dict[str, object]:
    """Task and round, where its path names them, and the trace."""
    names: dict[str, object] = {"trace_id": trace_of(scope["headers"])}
    if found := _TASK.search(scope["path"]):
        names["task"] = int(found[1])
        if found[2]:
            names["round"] = int(found[2])
    return names
