"""Commitments and long polls of phones without the framework's routing, which takes longer than all that they do.

The routes stand in :mod:`backend.api.phones` as well: what is written in any other way than phones write it, and the
API's description, is theirs.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.api.phone_answers import MAX_WAIT_SECONDS, PhoneAnswers
from backend.problem import answer_to

_ROUND: Final = r"/api/v1/tasks/([1-9][0-9]{0,17})/rounds/"
_COMMIT: Final = re.compile(_ROUND + "([1-9][0-9]{0,8})/commitments")
_NEXT: Final = re.compile(_ROUND + "next")
_PLAN: Final = re.compile(_ROUND + "([1-9][0-9]{0,8})/plans/0x([0-9a-f]{40})")
_PROOF: Final = re.compile(_ROUND + "([1-9][0-9]{0,8})/inclusion-proofs/0x([0-9a-f]{40})")
_AFTER: Final = re.compile(rb"after=([0-9]{1,9})&wait=([0-9]{1,2})")
_WAIT: Final = re.compile(rb"wait=([0-9]{1,2})")


class FastPaths:
    """Middleware next to the routes."""

    def __init__(self, app: ASGIApp, phones: PhoneAnswers) -> None:
        self._app, self._phones = app, phones

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answering = self._answering(request, scope["method"], scope["path"], scope["query_string"])
        if answering is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await answering
        except Exception as error:
            response = answer_to(error, scope["path"])
        await response(scope, receive, send)

    def _answering(self, request: Request, method: str, path: str, query: bytes) -> Awaitable[Response] | None:
        """None for whatever is no request of this kind, or not quite."""
        if method == "POST" and (found := _COMMIT.fullmatch(path)) and not query:
            return self._phones.commit(request, int(found[1]), int(found[2]))
        if method != "GET":
            return None
        if (found := _NEXT.fullmatch(path)) and (asked := _AFTER.fullmatch(query)) and _is_allowed(asked[2]):
            return self._phones.next_round(request, int(found[1]), int(asked[1]), int(asked[2]))
        if (found := _PLAN.fullmatch(path)) and (asked := _WAIT.fullmatch(query)) and _is_allowed(asked[1]):
            client = bytes.fromhex(found[3])
            return self._phones.shown_plan(request, int(found[1]), int(found[2]), client, int(asked[1]))
        if (found := _PROOF.fullmatch(path)) and (asked := _WAIT.fullmatch(query)) and _is_allowed(asked[1]):
            client = bytes.fromhex(found[3])
            return self._phones.inclusion_proof(request, int(found[1]), int(found[2]), client, int(asked[1]))
        return None


def _is_allowed(seconds: bytes) -> bool:
    return int(seconds) <= MAX_WAIT_SECONDS
