"""Pages of what this household spent and earned: the privacy ledger, payments with their proofs, all of it to keep."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from client_agent.web.door import Devices
from client_agent.web.export import export
from client_agent.web.frame import Frame
from client_agent.web.observer import odds, strength
from client_agent.web.worker import UnknownTaskError
from protocol.errors import Party
from protocol.messages.events import Claimed


def install(app: FastAPI, frame: Frame, _: Devices) -> None:
    home = frame.home

    @app.get("/privacy")
    def privacy(request: Request) -> Response:
        budgets = home.budgets.of(home.spending(), home.policy.privacy)
        titles = {
            task: worker.progress.standing.title
            for task, worker in home.workers.items()
            if worker.progress.standing is not None
        }
        facts = {"budgets": budgets, "titles": titles, "odds": odds, "strength": strength}
        return frame.show(request, "privacy.html", facts)

    @app.get("/earnings")
    def earnings(request: Request) -> Response:
        found = [one for one in home.workers.values() if one.progress.standing is not None]
        return frame.render(request, "earnings.html", workers=sorted(found, key=lambda one: one.task))

    @app.get("/earnings/{task}/{number}")
    def payment(request: Request, task: int, number: int) -> Response:
        worker = home.worker(task)
        standing = worker.progress.standing
        if standing is None or not 0 < number <= len(standing.payments):
            raise UnknownTaskError("there is no such payment", fault=Party.CLIENT)
        found = standing.payments[number - 1]
        owed = found.cumulative if isinstance(found, Claimed) else None
        proven = next((one for one in standing.proven if one.entitlement.cumulative == owed), None)
        facts = {"worker": worker, "standing": standing, "payment": found, "proven": proven}
        return frame.show(request, "payment.html", facts)

    @app.post("/export")
    async def keep_all(request: Request) -> Response:
        content = await run_in_threadpool(export, home)
        headers = {"content-disposition": 'attachment; filename="hearth-household.zip"'}
        return Response(content, media_type="application/zip", headers=headers)
