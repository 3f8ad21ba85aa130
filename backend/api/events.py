"""Events of a task, or of all, as they happen, for pages and programs that stay (server-sent events)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from backend.api.answers import as_json, problems
from backend.api.directory import Board, Directory, Entry
from backend.api.gas import GasBook
from backend.api.models import TaskSummary
from backend.api.news import News, Reorganised, TaskCount, TaskEvent, known_to, last_id, news_since, task_of
from backend.api.tasks import TaskNumber, summary_of
from backend.problem import RequestError
from protocol.messages.chain import Event

STREAM_SECONDS: Final = 240.0  # then its reader comes back: the server drops answers that take longer than 300 s
LOOK_SECONDS: Final = 1.0
RETRY_MILLISECONDS: Final = 2_000
STREAMED: Final = (TaskEvent, Reorganised, TaskCount)  # models that no other route answers with

Since = Annotated[Literal["start", "now"], Query(description="where a reader begins that is new")]
LastId = Annotated[str | None, Header(max_length=100)]

_NAMES: Final = "`state`, `reorganised`, or the kind of the ledger's event; of all tasks, `tasks` as well"
_ITEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "event": {"type": "string", "description": _NAMES},
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


def event_routes(directory: Directory, stopping: threading.Event, gas: GasBook | None = None) -> APIRouter:
    router = APIRouter(tags=["events"])
    described = {"responses": {"200": {"content": {"text/event-stream": {"itemSchema": _ITEM}}}}}

    def check(task: TaskNumber) -> None:
        """Before the stream begins: afterwards nothing can be refused any more."""
        directory.entry(task)

    def check_started() -> None:
        directory.board()

    @router.get(
        "/api/v1/tasks/{task}/events",
        operation_id="events",
        response_class=EventSourceResponse,
        dependencies=[Depends(check)],
        responses=problems(404),
        openapi_extra=described,
    )
    async def events(
        task: TaskNumber, since: Since = "now", last_event_id: LastId = None
    ) -> AsyncIterator[ServerSentEvent]:
        """Every event of the ledger about this task, and `state` whenever there is something else to tell of it.

        A stream ends after four minutes at most; go on with `Last-Event-ID`, as browsers do by themselves.
        """
        async for news in _follow(directory, task, since == "start", last_event_id, stopping, gas):
            yield _said(news)

    @router.get(
        "/api/v1/events",
        operation_id="all_events",
        response_class=EventSourceResponse,
        dependencies=[Depends(check_started)],
        responses=problems(),
        openapi_extra=described,
    )
    async def all_events(since: Since = "now", last_event_id: LastId = None) -> AsyncIterator[ServerSentEvent]:
        """The same of all tasks of this server: `tasks` first, and whenever their number changes; every event of the
        ledger about one of them; and `state` of a task that something happened to."""
        async for news in _follow_all(directory, since == "start", last_event_id, stopping):
            yield _said(news)

    return router


def _said(news: News) -> ServerSentEvent:
    said = as_json(news.data).decode()
    return ServerSentEvent(event=news.event, id=news.id, raw_data=said, retry=RETRY_MILLISECONDS)


async def _follow(
    directory: Directory,
    task: int,
    from_start: bool,
    last: str | None,
    stopping: threading.Event,
    gas: GasBook | None,
) -> AsyncIterator[News]:
    entry = directory.entry(task)
    known = known_to(last, entry.events) if last else () if from_start else entry.events
    told: tuple[object, int] | None = None  # status, and how much is known of gas
    deadline = time.monotonic() + STREAM_SECONDS
    while not stopping.is_set() and (left := deadline - time.monotonic()) > 0:
        seen = entry.bell.rung
        for news in news_since(task, known, entry.events):
            yield news
        known = entry.events
        read = gas.news(task) if gas is not None else 0
        if told is None or entry.status is not told[0] or read != told[1]:
            told = entry.status, read
            yield News("state", last_id(known), await run_in_threadpool(_summary, entry))
        await entry.bell.wait(seen, min(left, LOOK_SECONDS))
        try:
            entry = directory.entry(task)
        except RequestError:  # the chain took the task back
            return


async def _follow_all(
    directory: Directory, from_start: bool, last: str | None, stopping: threading.Event
) -> AsyncIterator[News]:
    """A reader that is slow skips what lies between two looks at all tasks: summaries, but no event."""
    board = await run_in_threadpool(directory.board)
    known = known_to(last, board.events) if last else () if from_start else board.events
    seen: Board | None = None
    deadline = time.monotonic() + STREAM_SECONDS
    while not stopping.is_set() and (left := deadline - time.monotonic()) > 0:
        if board is not seen:
            fresh = board.events[len(known or ()) :]
            for news in news_since(None, known, board.events):
                yield news
            known = board.events
            if seen is None or len(seen.entries) != len(board.entries):
                yield News("tasks", last_id(known), TaskCount(tasks=len(board.entries)))
            for entry in _changed(seen, board, fresh):
                yield News("state", last_id(known), await run_in_threadpool(_summary, entry))
            seen = board
        await asyncio.sleep(min(left, LOOK_SECONDS))
        board = await run_in_threadpool(directory.board)


def _changed(seen: Board | None, board: Board, fresh: Iterable[Event]) -> list[Entry]:
    """Since the reader's last look; for a reader that begins, those of the events that it did not know."""
    if seen is not None:
        return [entry for task, entry in board.entries.items() if not entry.is_as(seen.entries.get(task))]
    return [board.entries[task] for task in sorted({task_of(event) for event in fresh})]


def _summary(entry: Entry) -> TaskSummary:
    return TaskSummary(**summary_of(entry))
