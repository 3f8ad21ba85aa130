"""What can be taken along: models as the API serves them, rounds as a table, audits as JSON."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.frame import Frame, Number
from backend.dashboard.trail import trail_of


def install(app: FastAPI, frame: Frame) -> None:
    api = frame.api

    @app.get("/tasks/{task}/models")
    async def models(request: Request, task: Number) -> Response:
        trail = trail_of(request)
        found, page = await asyncio.gather(api.task(task), api.models(task, trail.asked))
        here = f"{frame.root}/tasks/{task}/models"
        earlier, later = trail.earlier(here), trail.later(here, page.next)
        return frame.render(request, "models.html", task=found, page=page, earlier=earlier, later=later)
