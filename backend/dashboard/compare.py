"""Two tasks beside each other: what each of them got, and what it cost."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.answers import Round, TaskDetails
from backend.dashboard.api import MOST, Api, ApiError
from backend.dashboard.frame import Frame
from backend.dashboard.pictures import price, side_by_side
from protocol.text import shown
from storage.pages.charts import MOST_POINTS

_NUMBER: Final = re.compile("[1-9][0-9]{0,17}")
MOST_ROUNDS: Final = MOST_POINTS // 2  # of each task: both share one picture
NAME_LETTERS: Final = 40

Side = tuple[TaskDetails, tuple[Round, ...]]


async def _side(api: Api, number: str) -> Side | None:
    """None for a task that is not here."""
    if not _NUMBER.fullmatch(number):
        return None
    try:
        task = await api.task(int(number))
    except ApiError as error:
        if error.code in ("E_NOT_FOUND", "E_REQUEST"):
            return None
        raise
    return task, await api.last_rounds(task.task, task.rounds, MOST_ROUNDS)


def _named(side: Side) -> tuple[str, tuple[Round, ...]]:
    task, rounds = side
    title = shown(task.title)
    return f"{task.task}: {title[:NAME_LETTERS]}{'…' if len(title) > NAME_LETTERS else ''}", rounds


def install(app: FastAPI, frame: Frame) -> None:
    @app.get("/compare")
    async def compare(request: Request) -> Response:
        asked = {name: request.query_params.get(name, "").strip()[:20] for name in ("a", "b")}
        page = await frame.api.tasks(limit=MOST)
        found = dict(zip(asked, await asyncio.gather(*(_side(frame.api, asked[name]) for name in asked)), strict=True))
        wrong = [name for name in asked if asked[name] and found[name] is None]
        sides = [side for side in found.values() if side is not None]
        both = [_named(side) for side in sides] if len(sides) == 2 else []
        return frame.render(
            request,
            "compare.html",
            status=404 if wrong else 200,
            known=page.items,
            asked=asked,
            wrong=wrong,
            pair=[task for task, _ in sides] if len(sides) == 2 else [],
            by_round=side_by_side(both) if both else None,
            by_price=price(both) if both else None,
        )
