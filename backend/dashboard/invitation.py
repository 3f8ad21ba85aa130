"""The invitation to a task as a picture, for a phone's camera."""

from __future__ import annotations

import io
from functools import lru_cache

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.frame import Frame, Number


@lru_cache(maxsize=64)
def picture_of(invitation: str) -> bytes:
    """A QR code as SVG, of medium correction and with the quiet zone, black on white whatever is around it."""
    import segno  # few ask for it

    written = io.BytesIO()
    code = segno.make_qr(invitation, error="m")
    code.save(written, kind="svg", border=4, dark="#000", light="#fff", omitsize=True, xmldecl=False)
    return written.getvalue()


def install(app: FastAPI, frame: Frame) -> None:
    @app.get("/tasks/{task}/invitation.svg")
    async def picture(request: Request, task: Number) -> Response:
        invitation = (await frame.api.task(task, request.headers.get("host"))).invitation
        if invitation is None:
            return frame.pages.error(request, 404, "", "E_NOT_FOUND")
        return Response(picture_of(invitation), media_type="image/svg+xml")
