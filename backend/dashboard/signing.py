"""Sign-in without a script: the message to sign, the command that signs it, and the signature pasted back.

A browser with a wallet does the same by ``static/wallet.js``.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.answers import Answer, Instant
from backend.dashboard.api import ApiError, read
from backend.dashboard.drafts import session_of
from backend.dashboard.frame import Frame
from storage.pages.forms import read_form

NEXT: Final = re.compile(r"/post(?:/sign)?(?:\?[!-~]*)?")  # nothing else is gone to: another site least of all
REFUSED: Final = ("E_SIGN_IN", "E_MALFORMED", "E_REQUEST", "E_VERIFICATION", "E_RATE")


class Challenge(Answer):
    message: str
    expires_at: Instant


class Session(Answer):
    address: str
    expires_at: Instant


def install(app: FastAPI, frame: Frame) -> None:
    async def session(request: Request) -> Session | None:
        headers = session_of(request)
        if not headers:
            return None
        try:
            return read(Session, await frame.api.send("GET", "sign-in/session", headers=headers))
        except ApiError as error:
            if error.code != "E_SIGN_IN":
                raise
            return None

    def shown(request: Request, status: int = 200, **facts: Any) -> Response:
        blank = {"challenge": None, "address": "", "signature": "", "message": "", "wrong": "", "session": None}
        return frame.render(request, "sign-in.html", status=status, **{**blank, **facts})

    @app.get("/sign-in")
    async def page(request: Request) -> Response:
        return shown(request, next=_next(request.query_params.get("next", "")), session=await session(request))

    @app.post("/sign-in")
    async def challenge(request: Request) -> Response:
        form = await read_form(request)
        facts: dict[str, Any] = {"next": _next(form.get("next")), "address": form.get("address")}
        try:
            content = json.dumps({"address": form.get("address")}).encode()
            sent = await frame.api.send("POST", "sign-in/challenges", content=content, headers=_as_asked(request))
        except ApiError as error:
            if error.code not in REFUSED:
                raise
            return shown(request, 422, wrong=str(error.args[0]), **facts)
        found = read(Challenge, sent)
        return shown(request, challenge=found, message=found.message, **facts)

    @app.post("/sign-in/signature")
    async def signature(request: Request) -> Response:
        form = await read_form(request)
        message, signed = form.get("message"), form.get("signature")
        facts: dict[str, Any] = {"next": _next(form.get("next")), "message": message, "signature": signed}
        try:
            content = json.dumps({"message": message, "signature": signed}).encode()
            sent = await frame.api.send("POST", "sign-in/sessions", content=content, headers=_as_asked(request))
        except ApiError as error:
            if error.code not in REFUSED:
                raise
            return shown(request, 422, wrong=str(error.args[0]), **facts)
        answer = frame.pages.redirect(str(facts["next"]))
        answer.headers["set-cookie"] = sent.headers["set-cookie"]
        return answer

    @app.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        form = await read_form(request)
        answer = frame.pages.redirect(_next(form.get("next")))
        try:
            sent = await frame.api.send("DELETE", "sign-in/session", headers=session_of(request))
            answer.headers["set-cookie"] = sent.headers["set-cookie"]
        except ApiError as error:
            if error.code != "E_SIGN_IN":
                raise
        return answer


def _as_asked(request: Request) -> dict[str, str]:
    """Under the name by which the reader came: the message is signed for it."""
    return {"host": request.headers.get("host", "")}


def _next(path: str) -> str:
    return path if NEXT.fullmatch(path) else "/post"
