"""The household's page as an application: door, routes, and the files that make it installable."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from client_agent.web import appliances, events, own, sent, settings, tasks, today
from client_agent.web.door import Devices, Door, device_cookie
from client_agent.web.frame import Frame
from client_agent.web.household import Home
from protocol.randomness import Randomness
from storage.pages.formats import COIN, Token
from storage.pages.forms import read_form
from storage.pages.pages import YEAR_SECONDS, Pages


def household_app(
    home: Home,
    pages: Pages,
    randomness: Randomness,
    *,
    coin: Token = COIN,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[FastAPI, Devices]:
    """The application, and its door: ``devices.token`` belongs into the link that opens it."""
    devices = Devices(home.book, randomness, monotonic)
    frame = Frame(home, pages, coin)
    app = FastAPI(openapi_url=None)
    app.add_middleware(Door, devices=devices, cookie=pages.cookie, version=lambda: home.version)
    pages.install(app)
    _install_door(app, pages, devices)
    for part in (today, tasks, sent, appliances, own, settings, events):
        part.install(app, frame, devices)
    return app, devices


def _install_door(app: FastAPI, pages: Pages, devices: Devices) -> None:
    def paired(request: Request) -> Response:
        answer = pages.redirect("/")
        name = device_cookie(pages.cookie(request.headers.get("host", "")))
        known = request.cookies.get(name, "")
        pages.keep(request, answer, name, known if devices.knows(known) else devices.pair(), YEAR_SECONDS)
        return answer

    @app.get("/open")
    def by_link(request: Request, token: str = "") -> Response:
        if not devices.is_token(token):
            return pages.render(request, "pair.html", status=403, wrong="link")
        return paired(request)

    @app.get("/pair")
    def pair(request: Request) -> Response:
        return pages.render(request, "pair.html", wrong="")

    @app.post("/pair")
    async def by_code(request: Request) -> Response:
        if not devices.take_code((await read_form(request)).get("code")[:40]):
            return pages.render(request, "pair.html", status=403, wrong="code")
        return paired(request)

    @app.get("/manifest.webmanifest")
    def manifest(request: Request) -> Response:
        return pages.file(request, "household.webmanifest")

    @app.get("/worker.js")
    def worker(request: Request) -> Response:
        return pages.file(request, "worker.js")

    @app.get("/offline")
    def offline(request: Request) -> Response:
        return pages.render(request, "offline.html")
