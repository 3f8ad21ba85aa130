"""Errors over HTTP as problem documents (RFC 9457), and request bodies whose size is checked while they arrive."""

from __future__ import annotations

import asyncio
import json
from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from protocol.errors import HearthError, MalformedError, Party

_UNAVAILABLE: Final = frozenset({Party.LEDGER, Party.CONTENT_STORE, Party.KEY_AUTHORITY})
_STATUS: Final = {
    "E_SIGN_IN": 401,
    "E_NOT_YOURS": 403,
    "E_NOT_FOUND": 404,
    "E_TIMEOUT": 408,
    "E_TOO_LARGE": 413,
    "E_LABEL_USED": 409,
    "E_EPOCH": 409,
    "E_NOT_ON_CHAIN": 409,
    "E_NOT_RECORDED": 409,
    "E_SHARE_MISSING": 409,
    "E_NOT_READY": 409,
    "E_VERDICT": 409,
    "E_BOND": 409,
    "E_DISMISSED": 409,
    "E_SIGHTED": 409,
    "E_SIGHTINGS": 409,
    "E_FULL": 409,
    "E_STAKE": 409,
    "E_ROUND": 409,
    "E_SUBMITTED": 409,
    "E_NOTHING": 409,
    "E_WINDOW": 409,
    "E_NOT_INCLUDED": 409,
    "E_VOUCHER_SPENT": 409,
    "E_RATE": 429,
    "E_BUSY": 503,
    "E_KEYS_AWAITED": 503,
    "E_STARTING": 503,
    "E_STANDBY": 503,
}
RETRY_SECONDS: Final = {"E_BUSY": 2, "E_RATE": 60}

_log = structlog.get_logger()


class RequestError(HearthError):
    """The request itself cannot be served: an unknown thing (``E_NOT_FOUND``) or too large a body (``E_TOO_LARGE``)."""

    code = "E_REQUEST"


def status_of(error: HearthError) -> int:
    """4xx for the peer's fault, 503 for what this server depends on, 500 for its own."""
    if error.code in _STATUS:
        return _STATUS[error.code]
    if error.fault in _UNAVAILABLE:
        return 503
    if isinstance(error, MalformedError):
        return 400
    return 500 if error.fault is Party.OURS else 422


def problem(status: int, code: str, detail: str) -> Response:
    content = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    return Response(json.dumps(content, sort_keys=True), status, media_type="application/problem+json")


def problem_response(error: HearthError) -> Response:
    """The problem document of an error; what went wrong inside this server stays in its log."""
    status = status_of(error)
    _log.warning("refused", code=error.code, fault=str(error.fault), status=status, detail=str(error.args[0])[:500])
    answer = problem(status, error.code, "internal error" if status == 500 else str(error.args[0])[:500])
    if error.code in RETRY_SECONDS:
        answer.headers["retry-after"] = str(RETRY_SECONDS[error.code])
    if status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


def answer_to(error: Exception, path: str) -> Response:
    """To a request of this path that ended with ``error``; an unexpected one says nothing about the inside."""
    if isinstance(error, HearthError):
        return problem_response(error)
    if isinstance(error, ClientDisconnect):
        return problem(400, "E_REQUEST", "the body ended early")
    _log.error("unexpected", path=path, error=repr(error)[:500])
    return problem(500, "E_INTERNAL", "internal error")


async def read_body(request: Request, max_bytes: int, seconds: float = 30.0) -> bytes:
    """The body; refused once it is larger than ``max_bytes`` or takes longer than ``seconds``."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                body += piece
                if len(body) > max_bytes:
                    raise RequestError(f"more than {max_bytes} bytes", fault=Party.CLIENT, code="E_TOO_LARGE")
    except TimeoutError as error:
        raise RequestError("the body takes too long", fault=Party.CLIENT, code="E_TIMEOUT") from error
    return bytes(body)


def install(app: FastAPI) -> None:
    """Makes every error of ``app`` a problem document."""

    async def known(request: Request, error: Exception) -> Response:
        return answer_to(error, request.url.path)

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "E_NOT_FOUND", 405: "E_METHOD"}.get(error.status_code, "E_REQUEST")
        answer = problem(error.status_code, code, str(error.detail))
        answer.headers.update(error.headers or {})  # a refused method comes with those that are allowed
        return answer

    async def invalid(_: Request, __: Exception) -> Response:
        return problem(422, "E_REQUEST", "a part of the path or query is not valid")

    app.add_exception_handler(HearthError, known)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, known)
    app.add_exception_handler(Exception, known)
