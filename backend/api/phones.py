"""What phones and manufacturers' commands ask: canonical messages, whose bytes ``docs/protocol.md`` section 4 fixes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from backend.api.answers import Responses, problems
from backend.api.message_schema import answers, sent
from backend.api.models import Announcement, Identity, PreparedPost
from backend.api.phone_answers import MAX_MESSAGE_BYTES, MAX_WAIT_SECONDS, PhoneAnswers
from backend.problem import RequestError, read_body
from backend.rounds.driver import Driver
from backend.vouchers.issuer import Issuer
from protocol.canonical import decode, encode
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, Digest, from_hex, to_hex
from protocol.messages.keys import WindowKeys
from protocol.messages.round import ShownPlan, SignedRoundStatement
from protocol.messages.settlement import ProvenEntitlement
from protocol.messages.submission import InclusionProof, SignedEnrolment, SignedLeave, SignedReceipt, Submission
from protocol.messages.task import MAX_SPEC_BYTES, TaskSpec
from protocol.messages.vouchers import BlindSignature, VoucherRequest
from protocol.round.planning import terms_of
from protocol.task.documents import Absent
from protocol.task.margins import check_durations
from protocol.task.runnable import check_ledger, check_runnable
from protocol.task.status import TaskStatus
from protocol.version import PROTOCOL_VERSION
from storage.content.interface import ContentStore
from storage.ledger.block_times import measured_block_seconds
from storage.ledger.ethereum.calls import prepare_post_task
from storage.ledger.interface import Ledger, PreparedTransaction

TaskNumber = Annotated[int, Path(ge=1, le=2**63)]
RoundNumber = Annotated[int, Path(ge=1, le=2**32 - 1)]
WindowNumber = Annotated[int, Path(ge=0, le=2**32 - 1)]
Client = Annotated[
    str, Path(description="0x and 40 lower-case hex digits", examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"])
]
OptionalRound = Annotated[int | None, Query(alias="round", ge=1, le=2**32 - 1)]
Wait = Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS, description="seconds of a long poll")]

MESSAGES = (  # that bodies and answers are
    BlindSignature,
    InclusionProof,
    ProvenEntitlement,
    ShownPlan,
    SignedEnrolment,
    SignedLeave,
    SignedReceipt,
    SignedRoundStatement,
    Submission,
    TaskSpec,
    TaskStatus,
    VoucherRequest,
    WindowKeys,
)
LATER: Responses = {202: {"description": "taken, and relayed to the chain later"}}
NOT_YET: Responses = {204: {"description": "nothing yet; ask again"}}


def phone_routes(
    ledger: Ledger, store: ContentStore, driver: Driver, phones: PhoneAnswers, issuer: Issuer | None = None
) -> APIRouter:
    """``issuer``: of vouchers; None where this server redeems no codes."""
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
        "/api/v1/tasks/{task}/vouchers",
        operation_id="redeem",
        responses={**answers(BlindSignature), **problems(400, 404, 408, 409, 413)},
        openapi_extra=sent(VoucherRequest),
    )
    async def redeem(task: TaskNumber, request: Request) -> Response:
        """Signs what is blinded for a code of the task, once; the same value is signed again. So this server never
        learns which address it signs for."""
        asked = decode(VoucherRequest, await read_body(request, MAX_MESSAGE_BYTES), MAX_MESSAGE_BYTES)
        signed = await run_in_threadpool(_redeem, driver, issuer, task, asked)
        return Response(encode(signed), media_type="application/json")

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
    async def next_round(
        request: Request, task: TaskNumber, after: Annotated[int, Query(ge=0)], wait: Wait = 0
    ) -> Response:
        """A long poll: the next round that phones can read, or the end of the task."""
        return await phones.next_round(request, task, after, wait)

    @router.get(
        "/api/v1/tasks/{task}/rounds/{number}/plans/{client}",
        operation_id="shown_plan",
        responses={**answers(ShownPlan), **NOT_YET, **problems(400, 404, 409)},
    )
    async def shown_plan(
        request: Request, task: TaskNumber, number: RoundNumber, client: Client, wait: Wait = 0
    ) -> Response:
        """A long poll: the plan of the round that runs as far as it concerns a client, with the authorities' word on
        its cohort."""
        return await phones.shown_plan(request, task, number, _address(client), wait)

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
        return await phones.commit(request, task, number)

    @router.get(
        "/api/v1/tasks/{task}/rounds/{number}/inclusion-proofs/{client}",
        operation_id="inclusion_proof",
        responses={**answers(InclusionProof), **NOT_YET, **problems(400, 404, 409)},
    )
    async def inclusion_proof(
        request: Request, task: TaskNumber, number: RoundNumber, client: Client, wait: Wait = 0
    ) -> Response:
        """A long poll: where a client's commitment stands in the round's batch."""
        return await phones.inclusion_proof(request, task, number, _address(client), wait)

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


def _redeem(driver: Driver, issuer: Issuer | None, task: int, asked: VoucherRequest) -> BlindSignature:
    spec = driver.state(task).spec
    if issuer is None or isinstance(spec, Absent):
        raise RequestError("this server redeems no codes of the task", fault=Party.CLIENT, code="E_NOT_FOUND")
    return issuer.redeem(spec.vouchers, asked)


def _address(text: str) -> Address:
    return from_hex(text, 20)
