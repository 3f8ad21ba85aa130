"""Rounds of a task: all of them in pages, one of them with its transactions, and the table for a spreadsheet."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.frame import Frame, Number
from backend.dashboard.rounds_table import MEDIA_TYPE, table_of
from backend.dashboard.trail import trail_of

MOST_ROWS = 100_000


def install(app: FastAPI, frame: Frame) -> None:
    api = frame.api

    @app.get("/tasks/{task}/rounds")
    async def rounds(request: Request, task: Number) -> Response:
        trail = trail_of(request)
        found, page = await asyncio.gather(api.task(task), api.rounds(task, trail.asked))
        here = f"{frame.root}/tasks/{task}/rounds"
        earlier, later = trail.earlier(here), trail.later(here, page.next)
        return frame.render(request, "rounds.html", task=found, page=page, earlier=earlier, later=later)

    @app.get("/tasks/{task}/rounds.csv")
    async def table(task: Number) -> Response:
        found = await api.task(task)
        lines = table_of(await api.last_rounds(task, found.rounds, MOST_ROWS), found)
        name = {"content-disposition": f'attachment; filename="task-{task}-rounds.csv"'}
        return Response(lines, headers=name, media_type=MEDIA_TYPE)

    @app.get("/tasks/{task}/rounds/{number}")
    async def one(request: Request, task: Number, number: Number) -> Response:
        found, round_ = await asyncio.gather(api.task(task), api.round(task, number))
        return frame.render(request, "round.html", task=found, round=round_)
