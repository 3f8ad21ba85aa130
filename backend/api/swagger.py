"""Swagger UI at ``/docs`` from our own files: FastAPI's page would load scripts, fonts and an icon from other hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

import storage.pages
from storage.pages.assets import Assets

STATIC: Final = Path(__file__).parent / "static"
VENDOR: Final = Path(storage.pages.__file__).parent / "vendor"
FILES: Final = ("docs.js", "swagger-ui-bundle.js", "swagger-ui.css")

# Swagger UI draws with images that stand in its style sheet; it needs no inline style.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def swagger_routes() -> APIRouter:
    router, assets = APIRouter(include_in_schema=False), Assets([VENDOR, STATIC])

    @router.get("/docs")
    async def page() -> Response:
        return FileResponse(STATIC / "docs.html", headers=HEADERS)

    @router.get("/docs/{name}")
    async def file(request: Request, name: str) -> Response:
        return assets.answer(request, name if name in FILES else "")

    return router
