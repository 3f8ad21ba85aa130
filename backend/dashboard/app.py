"""The dashboard as an application, and its place before the API in one process."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.dashboard import audits, compare, invitation, models, posting, rounds, signing, task, tasks
from backend.dashboard.api import Api
from backend.dashboard.frame import Frame
from storage.pages.formats import COIN, Token
from storage.pages.pages import Pages

OF_THE_API: Final = ("/api/", "/docs", "/healthz", "/openapi.json")


def dashboard_app(api: ASGIApp, pages: Pages, coin: Token = COIN) -> FastAPI:
    """``api``: the application that has the API's routes, which is all that the pages know."""
    frame = Frame(Api(api), pages, coin)
    app = FastAPI(openapi_url=None)
    pages.install(app)

    async def no_such_address(request: Request, _: Exception) -> Response:
        return pages.error(request, 404, "", "E_NOT_FOUND")

    app.add_exception_handler(RequestValidationError, no_such_address)
    for part in (tasks, task, invitation, rounds, models, audits, compare, posting, signing):
        part.install(app, frame)
    return app


class Faces:
    """Middleware of the API's application: what is not a path of the API is asked of the pages."""

    def __init__(self, app: ASGIApp, pages: ASGIApp) -> None:
        self._app, self._pages = app, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        of_the_api = scope["type"] != "http" or scope["path"].startswith(OF_THE_API)
        await (self._app if of_the_api else self._pages)(scope, receive, send)


def add_dashboard(api: FastAPI, pages: Pages, coin: Token = COIN) -> None:
    """Serves the pages wherever the API has no path. Before the application's first request."""
    api.add_middleware(Faces, pages=dashboard_app(api, pages, coin))
