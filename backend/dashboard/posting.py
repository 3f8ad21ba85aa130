"""A task from a page: the wizard, what its answers mean, and the page where it is signed.

Drafts change nothing, so all of it is read by GET: what was typed is in the page's own address. A reload, a session
that is over or a server that began anew loses none of it, and a draft can be sent to a colleague.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from backend.dashboard.drafts import drafted
from backend.dashboard.frame import Frame
from backend.dashboard.typed import DEFAULTS, KINDS, SCREENINGS, WORDS
from backend.dashboard.wallet import wallet_facts

FILE_NAME: Final = "task.toml"


def query_of(values: Mapping[str, str]) -> str:
    """Of an address with the same answers: those that are not the default."""
    return urlencode({name: value for name, value in values.items() if value != DEFAULTS[name]})


def install(app: FastAPI, frame: Frame) -> None:
    @app.get("/post")
    async def wizard(request: Request) -> Response:
        found = await drafted(frame.api, request, frame.coin.decimals)
        seen = bool(request.query_params.keys() & DEFAULTS.keys())
        return frame.render(
            request,
            "post.html",
            found=found,
            draft=found.draft,
            faults=found.faults if seen else {},
            query=query_of(found.values),
            kinds=KINDS,
            words=WORDS,
            screenings=SCREENINGS,
            coin=frame.coin,
        )

    @app.get("/post/sign")
    async def sign(request: Request) -> Response:
        found = await drafted(frame.api, request, frame.coin.decimals)
        query = query_of(found.values)
        if not found.complete:
            return RedirectResponse(f"{frame.root}/post?{query or 'title='}", 303)
        identity = await frame.api.identity()
        return frame.render(
            request,
            "sign.html",
            found=found,
            draft=found.draft,
            query=query,
            coin=frame.coin,
            identity=identity,
            wallet=wallet_facts(found, identity),
            edge=str(request.base_url).rstrip("/"),
        )

    @app.get(f"/post/{FILE_NAME}")
    async def task_file(request: Request) -> Response:
        found = await drafted(frame.api, request, frame.coin.decimals)
        if found.draft is None or found.draft.task_file is None or not found.complete:
            return RedirectResponse(f"{frame.root}/post?{query_of(found.values) or 'title='}", 303)
        disposition = {"content-disposition": f'attachment; filename="{FILE_NAME}"'}
        return Response(found.draft.task_file, media_type="application/toml", headers=disposition)
