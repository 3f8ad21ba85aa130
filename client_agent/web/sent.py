"""The page of what left one task's phone: objects, requests, and how much attacks find in them."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from client_agent.web.departures import Departure, checked, departures_of
from client_agent.web.door import Devices
from client_agent.web.frame import Frame


def install(app: FastAPI, frame: Frame, _: Devices) -> None:
    home, pages = frame.home, frame.pages

    def page(request: Request, task: int, things: tuple[Departure, ...], looked: bool) -> Response:
        worker = home.worker(task)
        phone, _ = worker.opened()
        requests = () if phone.requests is None else phone.requests.counts()
        facts = {"worker": worker, "things": things, "looked": looked, "requests": requests}
        return frame.show(request, "sent.html", {**facts, "report": home.attacks.of(task)})

    @app.get("/tasks/{task}/sent")
    def sent(request: Request, task: int) -> Response:
        phone, standing = home.worker(task).opened()
        return page(request, task, departures_of(phone.agent.journal, standing), looked=False)

    @app.post("/tasks/{task}/sent")
    async def check(request: Request, task: int) -> Response:
        phone, standing = home.worker(task).opened()
        things = await run_in_threadpool(checked, phone.agent.journal, standing, home.store)
        return page(request, task, things, looked=True)

    @app.post("/tasks/{task}/attack")
    async def attack(request: Request, task: int) -> Response:
        home.attack(task)
        home.changed()
        return pages.redirect(f"/tasks/{task}/sent#attacks")
