"""The key authority's HTTP interface (``docs/protocol.md`` section 4): bounded bodies in, canonical messages out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import structlog
from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from backend.key_authority.chain_checks import RefusedError
from backend.key_authority.screening import MAX_PLANNED_GRAM_BYTES
from backend.key_authority.service import MAX_PLANNED_REQUEST_BYTES, KeyAuthority
from backend.problem import install, read_body
from protocol.encryption.envelope import MAX_ENVELOPE_BYTES
from protocol.errors import MalformedError, Party
from protocol.identifiers import Address, from_hex
from protocol.messages.keys import MAX_REQUEST_BYTES
from protocol.messages.screening import MAX_GRAM_REQUEST_BYTES
from protocol.messages.task import MAX_SPEC_BYTES
from protocol.round.endorsing import MAX_EVIDENCE_BYTES

_NUMBER = re.compile(r"[1-9][0-9]{0,76}", re.ASCII)
_MAX_ROUND = _MAX_WINDOW = 2**32 - 1

_log = structlog.get_logger()


def authority_app(authority: KeyAuthority, about: Callable[[], Mapping[str, str | int]] = dict) -> FastAPI:
    """``about``: what its identity says beside its address."""
    app = FastAPI(title="Hearth key authority", openapi_url=None)
    install(app)

    @app.get("/api/v1/identity")
    async def identity() -> Response:
        return JSONResponse({**authority.identity(), **about()})

    @app.put("/api/v1/tasks/{task}")
    async def put_task(task: str, request: Request) -> Response:
        number = _number(task)
        body = await read_body(request, MAX_SPEC_BYTES)
        await run_in_threadpool(authority.accept_task, number, body)
        return Response(status_code=204)

    @app.get("/api/v1/tasks/{task}/windows/{window}/key")
    async def get_window_key(task: str, window: str) -> Response:
        in_task, number = _number(task), 0 if window == "0" else _number(window, _MAX_WINDOW)
        return _canonical(await run_in_threadpool(authority.window_key, in_task, number))

    @app.put("/api/v1/tasks/{task}/clients/{client}")
    async def put_client(task: str, client: str, request: Request) -> Response:
        number, address = _number(task), _address(client)
        body = await read_body(request, MAX_ENVELOPE_BYTES)
        return _canonical(await run_in_threadpool(authority.accept_client, number, address, body))

    @app.post("/api/v1/tasks/{task}/rounds/{round_number}/endorsements")
    async def post_endorsement(task: str, round_number: str, request: Request) -> Response:
        in_task, number = _number(task), _number(round_number, _MAX_ROUND)
        body = await read_body(request, MAX_EVIDENCE_BYTES)
        endorsement = await run_in_threadpool(authority.endorse, in_task, number, body)
        _log.info("endorsed the cohort", task=in_task, round=number)
        return _canonical(endorsement)

    @app.post("/api/v1/tasks/{task}/rounds/{round_number}/sightings")
    async def post_sighting(task: str, round_number: str, request: Request) -> Response:
        in_task, number = _number(task), _number(round_number, _MAX_ROUND)
        body = await read_body(request, MAX_REQUEST_BYTES)
        return _canonical(await run_in_threadpool(authority.sight, in_task, number, body))

    @app.post("/api/v1/tasks/{task}/rounds/{round_number}/screening-sightings")
    async def post_screening_sighting(task: str, round_number: str, request: Request) -> Response:
        in_task, number = _number(task), _number(round_number, _MAX_ROUND)
        body = await read_body(request, MAX_GRAM_REQUEST_BYTES)
        return _canonical(await run_in_threadpool(authority.sight_screening, in_task, number, body))

    @app.post("/api/v1/tasks/{task}/rounds/{round_number}/openings")
    async def post_openings(task: str, round_number: str, request: Request) -> Response:
        in_task, number = _number(task), _number(round_number, _MAX_ROUND)
        body = await read_body(request, MAX_PLANNED_GRAM_BYTES)
        return _canonical(await run_in_threadpool(authority.open, in_task, number, body))

    @app.post("/api/v1/tasks/{task}/rounds/{round_number}/partial-keys")
    async def post_partial_key(task: str, round_number: str, request: Request) -> Response:
        in_task, number = _number(task), _number(round_number, _MAX_ROUND)
        body = await read_body(request, MAX_PLANNED_REQUEST_BYTES)
        answer = await run_in_threadpool(authority.answer, in_task, number, body)
        _log.info("gave a partial key", task=in_task, round=number)
        return _canonical(answer)

    @app.get("/api/v1/tasks/{task}/issued")
    async def get_issued(task: str) -> Response:
        return _canonical(await run_in_threadpool(authority.issued, _number(task)))

    return app


def _canonical(message: bytes) -> Response:
    return Response(message, media_type="application/json")


def _number(text: str, largest: int = 2**256 - 1) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > largest:
        raise RefusedError(f"not a number: {text[:80]!r}", code="E_NOT_FOUND", fault=Party.EDGE_SERVER)
    return int(text)


def _address(text: str) -> Address:
    try:
        return from_hex(text, 20)
    except MalformedError as error:
        raise RefusedError(f"not an address: {text[:80]!r}", code="E_NOT_FOUND", fault=Party.EDGE_SERVER) from error
