"""Events of a task as they happen, for pages and programs that stay (server-sent events)."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from backend.api.answers import as_json, problems
from backend.api.directory import Directory, Entry
from backend.api.models import TaskSummary
from backend.api.news import News, Reorganised, TaskEvent, known_to, last_id, news_since
from backend.api.tasks import TaskNumber, summary_of
from backend.problem import RequestError
from protocol.task.status import TaskStatus

STREAM_SECONDS: Final = 240.0  # then its reader comes back: the server drops answers that take longer than 300 s
LOOK_SECONDS: Final = 1.0
RETRY_MILLISECONDS: Final = 2_000
STREAMED: Final = (TaskEvent, Reorganised)  # models that no other route answers with

_ITEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "event": {"type": "string", "description": "`state`, `reorganised`, or the kind of the ledger's event"},
        "id": {"type": "string", "description": "send the last one as Last-Event-ID to go on behind it"},
        "retry": {"type": "integer", "minimum": 0},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "anyOf": [{"$ref": f"#/components/schemas/{model.__name__}"} for model in (*STREAMED, TaskSummary)]
            },
        },
    },
}


def event_routes(directory: Directory, stopping: threading.Event) -> APIRouter:
    router = APIRouter(tags=["events"])

    def check(task: TaskNumber) -> None:
        """Before the stream begins: afterwards nothing can be refused any more."""
        directory.entry(task)

    @router.get(
        "/api/v1/tasks/{task}/events",
        operation_id="events",
        response_class=EventSourceResponse,
        dependencies=[Depends(check)],
        responses=problems(404),
        openapi_extra={"responses": {"200": {"content": {"text/event-stream": {"itemSchema": _ITEM}}}}},
    )
    async def events(
        task: TaskNumber,
        since: Annotated[Literal["start", "now"], Query(description="where a reader begins that is new")] = "now",
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    ) -> AsyncIterator[ServerSentEvent]:
        """Every event of the ledger about this task, and `state` whenever its summary is another one.

        A stream ends after four minutes at most; go on with `Last-Event-ID`, as browsers do by themselves.
        """
        async for news in _follow(directory, task, since == "start", last_event_id, stopping):
            said = as_json(news.data).decode()
            yield ServerSentEvent(event=news.event, id=news.id, raw_data=said, retry=RETRY_MILLISECONDS)

    return router


async def _follow(
    directory: Directory, task: int, from_start: bool, last: str | None, stopping: threading.Event
) -> AsyncIterator[News]:
    entry = directory.entry(task)
    known = known_to(last, entry.events) if last else () if from_start else entry.events
    status: TaskStatus | None = None
    deadline = time.monotonic() + STREAM_SECONDS
    while not stopping.is_set() and (left := deadline - time.monotonic()) > 0:
        for news in news_since(task, known, entry.events):
            yield news
        known = entry.events
        if entry.status is not status:
            status = entry.status
            yield News("state", last_id(known), await run_in_threadpool(_summary, entry))
        await entry.bell.wait(min(left, LOOK_SECONDS))
        try:
            entry = directory.entry(task)
        except RequestError:  # the chain took the task back
            return


def _summary(entry: Entry) -> TaskSummary:
    return TaskSummary(**summary_of(entry))
