"""What phones and manufacturers' commands ask: canonical messages, whose bytes ``docs/protocol.md`` section 4 fixes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from backend.api.answers import Responses, problems
from backend.api.message_schema import answers, sent
from backend.api.models import Announcement, Identity, PreparedPost
from backend.problem import read_body
from backend.rounds.desk import Desk
from backend.rounds.driver import Driver
from protocol.canonical import decode, encode
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest, from_hex, to_hex
from protocol.messages.keys import WindowKeys
from protocol.messages.round import SignedRoundStatement
from protocol.messages.settlement import ProvenEntitlement
from protocol.messages.submission import InclusionProof, SignedEnrolment, SignedLeave, SignedReceipt, Submission
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.round.planning import terms_of
from protocol.task.margins import check_durations
from protocol.task.runnable import check_ledger, check_runnable
from protocol.task.status import TaskStatus
from protocol.version import PROTOCOL_VERSION
from storage.content.interface import ContentStore
from storage.ledger.block_times import measured_block_seconds
from storage.ledger.ethereum.calls import prepare_post_task
from storage.ledger.interface import Ledger, PreparedTransaction

MAX_MESSAGE_BYTES = 16 * 1024
MAX_WAIT_SECONDS = 30

TaskNumber = Annotated[int, Path(ge=1, le=2**63)]
RoundNumber = Annotated[int, Path(ge=1, le=2**32 - 1)]
WindowNumber = Annotated[int, Path(ge=0, le=2**32 - 1)]
Client = Annotated[
    str, Path(description="0x and 40 lower-case hex digits", examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"])
]
OptionalRound = Annotated[int | None, Query(alias="round", ge=1, le=2**32 - 1)]
Wait = Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS, description="seconds of a long poll")]
T = TypeVar("T")

MESSAGES = (  # that bodies and answers are
    InclusionProof,
    ProvenEntitlement,
    SignedEnrolment,
    SignedLeave,
    SignedReceipt,
    SignedRoundStatement,
    Submission,
    TaskSpec,
    TaskStatus,
    WindowKeys,
)
LATER: Responses = {202: {"description": "taken, and relayed to the chain later"}}
NOT_YET: Responses = {204: {"description": "nothing yet; ask again"}}


def phone_routes(ledger: Ledger, store: ContentStore, driver: Driver) -> APIRouter:
    router = APIRouter(tags=["protocol"])
    identity = {
        "address": to_hex(ledger.sender),
        "chain_id": ledger.domain.chain_id,
        "ledger": to_hex(ledger.domain.ledger),
        "version": PROTOCOL_VERSION,
    }

    @router.get("/healthz", operation_id="health", response_model=Identity, responses=problems())
    async def health() -> Response:
        """That this process answers; nothing is asked of chain or store."""
        return JSONResponse({**identity, "block": max(0, driver.head())})

    @router.get("/api/v1/identity", operation_id="identity", response_model=Identity, responses=problems())
    async def who() -> Response:
        """Which server this is, and of which ledger."""
        return JSONResponse({**identity, "block": max(0, driver.head())})

    @router.post(
        "/api/v1/tasks/prepare",
        operation_id="prepare_post",
        response_model=PreparedPost,
        responses=problems(400, 408, 413),
        openapi_extra=sent(TaskSpec),
    )
    async def prepare(request: Request) -> Response:
        """Stores a spec, and answers with the unsigned transaction that posts its task. Check it before signing."""
        body = await read_body(request, MAX_SPEC_BYTES)
        return JSONResponse(await run_in_threadpool(_prepare, ledger, store, body))

    @router.get("/api/v1/tasks/{task}", operation_id="task_status", responses={**answers(TaskStatus), **problems(404)})
    async def status(task: TaskNumber) -> Response:
        """Where a task stands, in its canonical encoding; `details` says the same with more words."""
        found = await run_in_threadpool(driver.desk(task).status)
        return Response(encode(found), media_type="application/json")

    @router.get(
        "/api/v1/tasks/{task}/windows/{window}/keys",
        operation_id="window_keys",
        responses={**answers(WindowKeys), **problems(404, 409)},
    )
    async def window_keys(task: TaskNumber, window: WindowNumber) -> Response:
        """The authorities' signed keys of a window of rounds, to which a phone seals its envelope."""
        found = await run_in_threadpool(driver.desk(task).window_keys, window)
        return Response(encode(found), media_type="application/json")

    @router.post(
        "/api/v1/tasks/{task}/enrolments",
        operation_id="enrol",
        status_code=202,
        response_class=Response,
        responses={**LATER, **problems(400, 404, 408, 409, 413)},
        openapi_extra=sent(SignedEnrolment),
    )
    async def enrol(task: TaskNumber, request: Request) -> Response:
        signed = decode(SignedEnrolment, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        await run_in_threadpool(driver.desk(task).enrol, signed)
        return Response(status_code=202)

    @router.post(
        "/api/v1/tasks/{task}/leaves",
        operation_id="leave",
        status_code=202,
        response_class=Response,
        responses={**LATER, **problems(400, 404, 408, 409, 413)},
        openapi_extra=sent(SignedLeave),
    )
    async def leave(task: TaskNumber, request: Request) -> Response:
        signed = decode(SignedLeave, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        await run_in_threadpool(driver.desk(task).leave, signed)
        return Response(status_code=202)

    @router.get(
        "/api/v1/tasks/{task}/rounds/next",
        operation_id="next_round",
        response_model=Announcement,
        responses={**NOT_YET, **problems(404, 409)},
    )
    async def next_round(task: TaskNumber, after: Annotated[int, Query(ge=0)], wait: Wait = 0) -> Response:
        """A long poll: the next round that phones can read, or the end of the task."""
        desk = driver.desk(task)
        announced = await _wait_for(desk, lambda: desk.next_round(after), wait)
        if announced is None:
            return Response(status_code=204)
        if announced.statement is None:
            return JSONResponse({"ended": 1})
        label, signature = announced.statement.statement.label, announced.statement.signature
        announcement = {"round": announced.round, "plan": to_hex(announced.plan), "label": to_hex(label)}
        return JSONResponse({**announcement, "signature": to_hex(signature)})

    @router.get(
        "/api/v1/tasks/{task}/rounds/{number}/statement",
        operation_id="round_statement",
        responses={**answers(SignedRoundStatement), **problems(404, 409)},
    )
    async def statement(task: TaskNumber, number: RoundNumber) -> Response:
        """This server's signed word on a round's plan and, once it is published, its model."""
        signed = await run_in_threadpool(driver.desk(task).statement, number)
        return Response(encode(signed), media_type="application/json")

    @router.post(
        "/api/v1/tasks/{task}/rounds/{number}/commitments",
        operation_id="commit",
        status_code=202,
        responses={**answers(SignedReceipt, 202), **problems(400, 404, 408, 409, 413)},
        openapi_extra=sent(Submission),
    )
    async def commit(task: TaskNumber, number: RoundNumber, request: Request) -> Response:
        submission = decode(Submission, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        receipt = await run_in_threadpool(driver.desk(task).submit, number, submission)
        return Response(encode(receipt) if receipt else b"", status_code=202, media_type="application/json")

    @router.get(
        "/api/v1/tasks/{task}/rounds/{number}/inclusion-proofs/{client}",
        operation_id="inclusion_proof",
        responses={**answers(InclusionProof), **NOT_YET, **problems(400, 404, 409)},
    )
    async def inclusion_proof(task: TaskNumber, number: RoundNumber, client: Client, wait: Wait = 0) -> Response:
        """A long poll: where a client's commitment stands in the round's batch."""
        desk, address = driver.desk(task), _address(client)
        found = await _wait_for(desk, lambda: desk.inclusion_proof(number, address), wait)
        if found is None:
            return Response(status_code=204)
        return Response(encode(found), media_type="application/json")

    @router.get(
        "/api/v1/tasks/{task}/entitlements/{client}",
        operation_id="entitlement",
        responses={**answers(ProvenEntitlement), **problems(400, 404)},
    )
    async def entitlement(task: TaskNumber, client: Client, number: OptionalRound = None) -> Response:
        """A client's leaf of the last allocation, or of that of `round`, with its proof."""
        found = await run_in_threadpool(driver.desk(task).entitlement, _address(client), number)
        return Response(encode(found), media_type="application/json")

    @router.post(
        "/api/v1/tasks/{task}/claims/{client}",
        operation_id="claim",
        status_code=202,
        response_class=Response,
        responses={**LATER, **problems(400, 404, 409)},
    )
    async def claim(task: TaskNumber, client: Client) -> Response:
        """Has this server send the client's claim."""
        driver.desk(task).claim(_address(client))
        return Response(status_code=202)

    return router


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


def prepared_post(ledger: Ledger, store: ContentStore, body: bytes) -> tuple[PreparedTransaction, Digest]:
    """The call that posts a spec, which is stored by then; with its digest. Raises for one that cannot run here."""
    spec = decode(TaskSpec, body, MAX_SPEC_BYTES)
    check_runnable(spec)
    if spec.edge_server != ledger.sender:
        raise VerificationError("the spec names another edge server", fault=Party.MANUFACTURER)
    check_ledger(spec, ledger.rules(), ledger.task_count())
    check_durations(spec, measured_block_seconds(ledger))
    digest = store.put(body).digest
    return prepare_post_task(ledger.domain.ledger, terms_of(spec), spec.budget()), digest


def _prepare(ledger: Ledger, store: ContentStore, body: bytes) -> dict[str, str | int]:
    prepared, digest = prepared_post(ledger, store, body)
    return {
        "to": to_hex(prepared.to),
        "data": to_hex(prepared.data),
        "value_wei": prepared.value_wei,
        "spec": to_hex(digest),
    }


def _address(text: str) -> Address:
    return from_hex(text, 20)
