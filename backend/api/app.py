"""The edge server's HTTP interface (``docs/protocol.md`` section 4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import FastAPI, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from backend.problem import install, read_body
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from protocol.canonical import decode, encode
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, from_hex, to_hex
from protocol.messages.submission import SignedEnrolment, SignedLeave, Submission
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.round.planning import terms_of
from protocol.task.margins import check_durations
from protocol.task.runnable import check_ledger, check_runnable
from protocol.version import PROTOCOL_VERSION
from storage.content.interface import ContentStore
from storage.ledger.block_times import measured_block_seconds
from storage.ledger.ethereum.calls import prepare_post_task
from storage.ledger.interface import Ledger

MAX_MESSAGE_BYTES = 16 * 1024
MAX_WAIT_SECONDS = 30

TaskNumber = Annotated[int, Path(ge=1, le=2**63)]
RoundNumber = Annotated[int, Path(ge=1, le=2**32 - 1)]
WindowNumber = Annotated[int, Path(ge=0, le=2**32 - 1)]
OptionalRound = Annotated[int | None, Query(alias="round", ge=1, le=2**32 - 1)]
Wait = Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS)]
T = TypeVar("T")


def edge_app(ledger: Ledger, store: ContentStore, driver: Driver) -> FastAPI:
    app = FastAPI(title="Hearth edge server", openapi_url=None)
    install(app)
    identity = {
        "address": to_hex(ledger.sender),
        "chain_id": ledger.domain.chain_id,
        "ledger": to_hex(ledger.domain.ledger),
        "version": PROTOCOL_VERSION,
    }

    @app.get("/healthz")
    @app.get("/api/v1/identity")
    async def who() -> Response:
        return JSONResponse(identity)

    @app.post("/api/v1/tasks/prepare")
    async def prepare(request: Request) -> Response:
        body = await read_body(request, MAX_SPEC_BYTES)
        return JSONResponse(await run_in_threadpool(_prepare, ledger, store, body))

    @app.get("/api/v1/tasks/{task}")
    async def status(task: TaskNumber) -> Response:
        found = await run_in_threadpool(driver.desk(task).status)
        return Response(encode(found), media_type="application/json")

    @app.get("/api/v1/tasks/{task}/windows/{window}/keys")
    async def window_keys(task: TaskNumber, window: WindowNumber) -> Response:
        found = await run_in_threadpool(driver.desk(task).window_keys, window)
        return Response(encode(found), media_type="application/json")

    @app.post("/api/v1/tasks/{task}/enrolments")
    async def enrol(task: TaskNumber, request: Request) -> Response:
        signed = decode(SignedEnrolment, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        await run_in_threadpool(driver.desk(task).enrol, signed)
        return Response(status_code=202)

    @app.post("/api/v1/tasks/{task}/leaves")
    async def leave(task: TaskNumber, request: Request) -> Response:
        signed = decode(SignedLeave, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        await run_in_threadpool(driver.desk(task).leave, signed)
        return Response(status_code=202)

    @app.get("/api/v1/tasks/{task}/rounds/next")
    async def next_round(task: TaskNumber, after: Annotated[int, Query(ge=0)], wait: Wait = 0) -> Response:
        desk = driver.desk(task)
        announced = await _wait_for(desk, lambda: desk.next_round(after), wait)
        if announced is None:
            return Response(status_code=204)
        if announced.statement is None:
            return JSONResponse({"ended": 1})
        label, signature = announced.statement.statement.label, announced.statement.signature
        announcement = {"round": announced.round, "plan": to_hex(announced.plan), "label": to_hex(label)}
        return JSONResponse({**announcement, "signature": to_hex(signature)})

    @app.get("/api/v1/tasks/{task}/rounds/{number}/statement")
    async def statement(task: TaskNumber, number: RoundNumber) -> Response:
        signed = await run_in_threadpool(driver.desk(task).statement, number)
        return Response(encode(signed), media_type="application/json")

    @app.post("/api/v1/tasks/{task}/rounds/{number}/commitments")
    async def commit(task: TaskNumber, number: RoundNumber, request: Request) -> Response:
        submission = decode(Submission, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        receipt = await run_in_threadpool(driver.desk(task).submit, number, submission)
        return Response(encode(receipt) if receipt else b"", status_code=202, media_type="application/json")

    @app.get("/api/v1/tasks/{task}/rounds/{number}/inclusion-proofs/{client}")
    async def inclusion_proof(task: TaskNumber, number: RoundNumber, client: str, wait: Wait = 0) -> Response:
        desk, address = driver.desk(task), _address(client)
        found = await _wait_for(desk, lambda: desk.inclusion_proof(number, address), wait)
        if found is None:
            return Response(status_code=204)
        return Response(encode(found), media_type="application/json")

    @app.get("/api/v1/tasks/{task}/entitlements/{client}")
    async def entitlement(task: TaskNumber, client: str, number: OptionalRound = None) -> Response:
        found = await run_in_threadpool(driver.desk(task).entitlement, _address(client), number)
        return Response(encode(found), media_type="application/json")

    @app.post("/api/v1/tasks/{task}/claims/{client}")
    async def claim(task: TaskNumber, client: str) -> Response:
        driver.desk(task).claim(_address(client))
        return Response(status_code=202)

    return app


async def _wait_for(desk: Desk, look: Callable[[], T | None], seconds: float) -> T | None:
    """The first answer that is not None, or None when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        left = deadline - time.monotonic()
        if found is not None or left <= 0:
            return found
        await desk.bell.wait(min(left, 1.0))  # a second at most: what rings between a look and a wait is seen then
        await asyncio.sleep(0)


def _prepare(ledger: Ledger, store: ContentStore, body: bytes) -> dict[str, str | int]:
    spec = decode(TaskSpec, body, MAX_SPEC_BYTES)
    check_runnable(spec)
    if spec.edge_server != ledger.sender:
        raise VerificationError("the spec names another edge server", fault=Party.MANUFACTURER)
    check_ledger(spec, ledger.rules(), ledger.task_count())
    check_durations(spec, measured_block_seconds(ledger))
    digest = store.put(body).digest
    prepared = prepare_post_task(ledger.domain.ledger, terms_of(spec), spec.budget())
    return {
        "to": to_hex(prepared.to),
        "data": to_hex(prepared.data),
        "value_wei": prepared.value_wei,
        "spec": to_hex(digest),
    }


def _address(text: str) -> Address:
    return from_hex(text, 20)
