"""Published models, to be used: as safetensors, as they are on record, and as ONNX with their fixed features."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Final

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from backend.api.answers import ETAG_HEADER, NOT_MODIFIED, Responses, problems, tagged, tagged_bytes
from backend.api.directory import Directory, Entry
from backend.api.fields import Figure, HexDigest, Number, Page, Score, Shown, figure_of
from backend.api.pages import Limit, NumberCursor, page_of
from backend.api.rounds import RoundNumber
from backend.api.tasks import TaskNumber
from backend.problem import RequestError
from protocol.canonical import decode, encode
from protocol.errors import Party
from protocol.identifiers import Digest, to_hex
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import RoundRecord
from protocol.messages.task import TaskSpec
from protocol.model.layout import Layout
from storage.content.interface import ContentStore, get_document

BINARY: Final = "application/octet-stream"  # neither form has a registered type
FILE: Final[Responses] = {
    **NOT_MODIFIED,
    200: {
        "description": "the file",
        "headers": ETAG_HEADER,
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    },
}
AT_ONCE: Final = 2  # a large model takes several times its size while it is turned into another form


class Model(Shown):
    """What a round published. A round whose sum was garbage publishes the model that it started from."""

    round: int = Field(ge=1, examples=[1])
    digest: HexDigest = Field(description="of its content")
    block: Number
    transaction: HexDigest
    score: Score
    privacy: Figure | None = Field(description="spent up to this round by a client that trained in every one")


def model_routes(directory: Directory, store: ContentStore) -> APIRouter:
    router, at_once = APIRouter(tags=["models"]), threading.BoundedSemaphore(AT_ONCE)

    @router.get(
        "/api/v1/tasks/{task}/models",
        operation_id="list_models",
        response_model=Page[Model],
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def models(request: Request, task: TaskNumber, limit: Limit = 50, cursor: NumberCursor = None) -> Response:
        """The last one first."""

        def listed() -> Page[Model]:
            entry = directory.entry(task)
            rounds = (event for event in reversed(_published(entry)) if cursor is None or event.round < int(cursor))
            events, next_cursor = page_of(rounds, limit, lambda event: str(event.round))
            return Page[Model](items=[_model(entry, event) for event in events], next=next_cursor)

        return tagged(request, await run_in_threadpool(listed))

    @router.get(
        "/api/v1/tasks/{task}/models/{number}/safetensors",
        operation_id="model_safetensors",
        response_class=Response,
        responses={**FILE, **problems(404)},
    )
    async def safetensors(request: Request, task: TaskNumber, number: RoundNumber) -> Response:
        """The published bytes, whose digest is on chain."""

        def found() -> Response:
            entry = directory.entry(task)
            event, spec = _event(entry, number), _spec(entry)
            content = _content(store, spec, event.model)
            name = f"task-{task}-round-{number}.safetensors"
            return tagged_bytes(request, content, BINARY, to_hex(event.model), name)

        return await run_in_threadpool(found)

    @router.get(
        "/api/v1/tasks/{task}/models/{number}/onnx",
        operation_id="model_onnx",
        response_class=Response,
        responses={**FILE, **problems(404)},
    )
    async def onnx(request: Request, task: TaskNumber, number: RoundNumber) -> Response:
        """Takes `inputs` (N, ...) in float32; gives `scores` (N, classes) and `class` (N,)."""

        def found() -> Response:
            entry = directory.entry(task)
            event, spec = _event(entry, number), _spec(entry)
            with at_once:
                content = made(entry.task, number, encode(spec), event.model)
            name = f"task-{task}-round-{number}.onnx"
            return tagged_bytes(request, content, BINARY, f"onnx-{to_hex(event.model)}", name)

        return await run_in_threadpool(found)

    @lru_cache(maxsize=2)
    def made(task: int, number: int, agreed: bytes, model: Digest) -> bytes:
        from backend.onnx_model import to_onnx  # loads for half a second, and few ask for it

        spec = decode(TaskSpec, agreed)
        parameters = Layout.published(spec).from_safetensors(_content(store, spec, model))
        about = {"hearth.title": spec.title, "hearth.task": str(task), "hearth.round": str(number)}
        return to_onnx(spec.model, parameters, {**about, "hearth.model": to_hex(model)})

    return router


def _published(entry: Entry) -> list[RoundPublished]:
    """Of rounds that stand."""
    return [facts.settled for facts in entry.state.rounds if isinstance(facts.settled, RoundPublished)]


def _model(entry: Entry, event: RoundPublished) -> Model:
    record = entry.state.record(event.round)
    return Model(
        round=event.round,
        digest=to_hex(event.model),
        block=event.block,
        transaction=to_hex(event.transaction),
        score=Score(correct=event.correct, examples=event.examples),
        privacy=figure_of(record.charge.figure) if isinstance(record, RoundRecord) else None,
    )


def _event(entry: Entry, number: int) -> RoundPublished:
    found = next((event for event in _published(entry) if event.round == number), None)
    if found is None:
        raise RequestError(f"round {number} published no model", fault=Party.CLIENT, code="E_NOT_FOUND")
    return found


def _spec(entry: Entry) -> TaskSpec:
    if not isinstance(entry.state.spec, TaskSpec):
        raise RequestError("the spec cannot be read", fault=Party.MANUFACTURER, code="E_NOT_FOUND")
    return entry.state.spec


def _content(store: ContentStore, spec: TaskSpec, model: Digest) -> bytes:
    """Held against its digest. Raises a content error."""
    return get_document(store, model, Layout.published(spec).max_bytes)
