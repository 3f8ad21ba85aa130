"""The first page: every task of this server, filtered, in pages."""

from __future__ import annotations

import re
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.answers import SERVICES, STATES
from backend.dashboard.api import ApiError
from backend.dashboard.frame import Frame
from backend.dashboard.trail import trail_of

_ADDRESS: Final = re.compile("0x[0-9a-f]{40}")
BY_ADDRESS: Final = ("manufacturer", "edge_server")


def filters_of(request: Request) -> tuple[dict[str, str], list[str]]:
    """What the reader chose, and the names of fields that mean nothing. Empty ones are no filter."""
    given = {name: request.query_params.get(name, "").strip() for name in ("state", "service", *BY_ADDRESS)}
    given |= {name: given[name].lower() for name in BY_ADDRESS}
    known = {"state": STATES, "service": SERVICES}
    chosen = {name: value for name, value in given.items() if value}
    wrong = [name for name, value in chosen.items() if name in known and value not in known[name]]
    wrong += [name for name in BY_ADDRESS if name in chosen and not _ADDRESS.fullmatch(chosen[name])]
    return chosen, wrong


def install(app: FastAPI, frame: Frame) -> None:
    @app.get("/")
    async def tasks(request: Request) -> Response:
        chosen, wrong = filters_of(request)
        trail = trail_of(request)
        asked = {name: value for name, value in chosen.items() if name not in wrong}
        facts = {"chosen": chosen, "wrong": wrong, "trail": trail, "states": STATES, "services": SERVICES}
        try:
            page = await frame.api.tasks({**asked, **({"cursor": trail.cursor} if trail.cursor else {})})
        except ApiError as error:
            if error.code != "E_STARTING":
                raise
            return frame.render(request, "starting.html", status=503)
        here = f"{frame.root}/"
        pager = {"earlier": trail.earlier(here, asked), "later": trail.later(here, page.next, asked)}
        return frame.render(request, "tasks.html", status=422 if wrong else 200, page=page, **pager, **facts)
