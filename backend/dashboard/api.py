"""The REST API as the dashboard asks it: over HTTP, inside this process, with typed answers and typed errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp

from backend.dashboard.answers import (
    AuthorityList,
    Client,
    Identity,
    Model,
    Money,
    Page,
    Problem,
    Round,
    TaskDetails,
    TaskSummary,
)
from backend.dashboard.audit_answers import Audit, AuditList
from protocol.errors import HearthError, Party

T = TypeVar("T", bound=BaseModel)
ItemT = TypeVar("ItemT", bound=BaseModel)
PAGE: Final = 50  # items that a page shows
MOST: Final = 200  # items that the API gives at once
HERE: Final = "http://127.0.0.1"
_OURS: Final = (500, 502, 504)


class ApiError(HearthError):
    """The API refused, or could not answer. ``code`` and text are its own."""

    code = "E_API"


class Api:
    """``app``: the application that has the API's routes. Every method raises ApiError."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)  # keeps no cookie of any reader

    async def identity(self) -> Identity:
        return await self.get(Identity, "identity")

    async def tasks(self, query: Mapping[str, str] | None = None, limit: int = PAGE) -> Page[TaskSummary]:
        """``query``: filters and cursor, as the API names them."""
        return await self.get(Page[TaskSummary], "tasks", {**(query or {}), "limit": str(limit)})

    async def task(self, task: int, host: str | None = None) -> TaskDetails:
        """``host``: by which the reader asked, for the invitation of a server that has no other name."""
        headers = {"host": host} if host else None
        return read(TaskDetails, await self.send("GET", f"tasks/{task}/details", headers=headers))

    async def rounds(self, task: int, cursor: str | None = None, limit: int = PAGE) -> Page[Round]:
        return await self.get(Page[Round], f"tasks/{task}/rounds", _page(cursor, limit))

    async def round(self, task: int, number: int) -> Round:
        return await self.get(Round, f"tasks/{task}/rounds/{number}")

    async def clients(self, task: int, cursor: str | None = None, limit: int = PAGE) -> Page[Client]:
        return await self.get(Page[Client], f"tasks/{task}/clients", _page(cursor, limit))

    async def money(self, task: int) -> Money:
        return await self.get(Money, f"tasks/{task}/money")

    async def authorities(self, task: int) -> AuthorityList:
        return await self.get(AuthorityList, f"tasks/{task}/authorities")

    async def models(self, task: int, cursor: str | None = None, limit: int = PAGE) -> Page[Model]:
        return await self.get(Page[Model], f"tasks/{task}/models", _page(cursor, limit))

    async def audits(self, task: int) -> AuditList:
        return await self.get(AuditList, f"tasks/{task}/audits")

    async def audit(self, task: int, audit: int) -> Audit:
        return await self.get(Audit, f"tasks/{task}/audits/{audit}")

    async def start_audit(self, task: int) -> Audit:
        return read(Audit, await self.send("POST", f"tasks/{task}/audits"))

    async def last_rounds(self, task: int, rounds: int, most: int) -> tuple[Round, ...]:
        """The last ``most`` of ``rounds``, ascending."""
        first = max(0, rounds - most)
        return await self._all(Page[Round], f"tasks/{task}/rounds", most, str(first) if first else None)

    async def first_clients(self, task: int, most: int) -> tuple[Client, ...]:
        """By address."""
        return await self._all(Page[Client], f"tasks/{task}/clients", most, None)

    async def get(self, model: type[T], path: str, query: Mapping[str, str] | None = None) -> T:
        """``path`` is below ``/api/v1/``."""
        return read(model, await self.send("GET", path, query=query))

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """The answer of a request that was served; ``headers``: of the reader, where the API has to know who asks."""
        request = httpx2.Request(method, f"{HERE}/api/v1/{path}", params=query, content=content, headers=headers)
        answer = await self._transport.handle_async_request(request)
        await answer.aread()
        if answer.is_success:
            return answer
        raise _refused(answer)

    async def _all(self, model: type[Page[ItemT]], path: str, most: int, cursor: str | None) -> tuple[ItemT, ...]:
        found: list[ItemT] = []
        while len(found) < most:
            page = await self.get(model, path, _page(cursor, min(MOST, most - len(found))))
            found += page.items
            if (cursor := page.next) is None:
                break
        return tuple(found)


def read(model: type[T], answer: httpx2.Response) -> T:
    """Raises ApiError."""
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise ApiError("the API answers with something else than it says", fault=Party.OURS) from error


def _page(cursor: str | None, limit: int) -> dict[str, str]:
    return {"limit": str(limit)} if cursor is None else {"limit": str(limit), "cursor": cursor}


def _refused(answer: httpx2.Response) -> ApiError:
    fault = (
        Party.OURS if answer.status_code in _OURS else Party.EDGE_SERVER if answer.status_code == 503 else Party.CLIENT
    )
    try:
        told = Problem.model_validate_json(answer.content)
    except ValidationError:
        return ApiError(f"the API answers with status {answer.status_code}", fault=fault)
    return ApiError(told.detail, fault=fault, code=told.code)
