"""One task as it goes on."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.api import Api, ApiError
from backend.dashboard.audit_answers import AuditRun
from backend.dashboard.frame import Frame, Number
from backend.dashboard.overview import answering, funnel, parts_of, spread, standing_by
from backend.dashboard.pictures import cost, price, progress, work
from backend.dashboard.trail import trail_of
from storage.pages.charts import MOST_POINTS

MOST_CLIENTS: Final = 1_000  # that are counted for a picture
SHOWN_ROUNDS: Final = 5


async def last_audit(api: Api, task: int) -> tuple[AuditRun, ...] | None:
    """The last run, if there is one; None where the server runs no audits."""
    try:
        return (await api.audits(task)).items[:1]
    except ApiError as error:
        if error.code == "E_NOT_FOUND":
            return None
        raise


def install(app: FastAPI, frame: Frame) -> None:
    api = frame.api

    @app.get("/tasks/{task}")
    async def one(request: Request, task: Number) -> Response:
        found = await api.task(task, request.headers.get("host"))
        rounds, clients, money, committee, audit = await asyncio.gather(
            api.last_rounds(task, found.rounds, MOST_POINTS),
            api.first_clients(task, MOST_CLIENTS),
            api.money(task),
            api.authorities(task),
            last_audit(api, task),
        )
        return frame.render(
            request,
            "task.html",
            task=found,
            rounds=rounds,
            shown=rounds[: -SHOWN_ROUNDS - 1 : -1],
            steps=funnel(clients),
            bars=spread(clients),
            counted=len(clients),
            money=money,
            parts=parts_of(money),
            committee=committee,
            answering=answering(committee),
            standing_by=standing_by(found),
            audit=audit,
            progress=partial(progress, rounds),
            price=lambda name: price([(name, rounds)]),
            work=partial(work, rounds),
            cost=partial(cost, rounds, found.agreed.ciphertext_bytes if found.agreed else None),
        )

    @app.get("/tasks/{task}/households")
    async def households(request: Request, task: Number) -> Response:
        trail = trail_of(request)
        found, page = await asyncio.gather(api.task(task), api.clients(task, trail.asked))
        here = f"{frame.root}/tasks/{task}/households"
        earlier, later = trail.earlier(here), trail.later(here, page.next)
        return frame.render(
            request, "households.html", task=found, page=page, trail=trail, earlier=earlier, later=later
        )
