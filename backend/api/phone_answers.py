"""What most requests of phones ask: to take a commitment, and to wait for a round or for a batch.

Told apart from their routes, since :mod:`backend.api.fast_paths` answers them too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from backend.problem import read_body
from backend.request_limit import waiting
from backend.rounds.desk import Announced, Desk
from backend.rounds.driver import Driver
from protocol.canonical import decode, encode
from protocol.identifiers import Address, to_hex
from protocol.messages.submission import Submission

MAX_MESSAGE_BYTES: Final = 16 * 1024
MAX_WAIT_SECONDS: Final = 30

T = TypeVar("T")


class PhoneAnswers:
    """``stopping``: then nobody waits any more. Raises HearthError."""

    def __init__(self, driver: Driver, stopping: threading.Event) -> None:
        self._driver, self._stopping = driver, stopping

    async def commit(self, request: Request, task: int, number: int) -> Response:
        submission = decode(Submission, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        receipt = await self._driver.desk(task).submit_with_others(number, submission)
        return Response(encode(receipt) if receipt else b"", status_code=202, media_type="application/json")

    async def next_round(self, request: Request, task: int, after: int, seconds: int) -> Response:
        desk = self._driver.desk(task)
        announced = await self._wait_for(request, desk, lambda: desk.next_round(after), seconds)
        if announced is None:
            return Response(status_code=204)
        return Response(_announcement(announced), media_type="application/json")

    async def shown_plan(self, request: Request, task: int, number: int, client: Address, seconds: int) -> Response:
        desk = self._driver.desk(task)
        found = await self._wait_for(request, desk, lambda: desk.shown_plan(number, client), seconds)
        return Response(status_code=204) if found is None else Response(encode(found), media_type="application/json")

    async def inclusion_proof(
        self, request: Request, task: int, number: int, client: Address, seconds: int
    ) -> Response:
        desk = self._driver.desk(task)
        found = await self._wait_for(request, desk, lambda: desk.inclusion_proof(number, client), seconds)
        return Response(status_code=204) if found is None else Response(encode(found), media_type="application/json")

    async def _wait_for(self, request: Request, desk: Desk, look: Callable[[], T | None], seconds: float) -> T | None:
        """The first answer that is not None, or None when the time is over."""
        deadline = time.monotonic() + seconds
        seen, found = desk.bell.rung, look()
        if found is not None or seconds <= 0:
            return found
        with waiting(request.scope) as gone:
            while found is None and (left := deadline - time.monotonic()) > 0:
                if self._stopping.is_set() or gone.is_gone:
                    break
                await desk.bell.wait(seen, left, gone)
                seen, found = desk.bell.rung, look()
        return found


@lru_cache(maxsize=256)
def _announcement(announced: Announced) -> bytes:
    """The same for all who wait: thousands are answered at one time."""
    if announced.statement is None:
        return json.dumps({"ended": 1}).encode()
    label, signature = announced.statement.statement.label, announced.statement.signature
    said = {
        "round": announced.round,
        "plan": to_hex(announced.plan),
        "label": to_hex(label),
        "signature": to_hex(signature),
    }
    return json.dumps(said).encode()
