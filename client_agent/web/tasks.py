"""Pages of tasks: those of this household, one of them with its consent screen, and the search for others."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from client_agent.web.consent_view import consent_view
from client_agent.web.door import Devices
from client_agent.web.frame import Frame
from client_agent.web.household import Home
from client_agent.web.progress_chart import progress_chart
from client_agent.web.worker import Answer, Stage, UnknownTaskError
from protocol.errors import HearthError, Party
from protocol.invitation import CodeError, Invitation, parse_invitation
from storage.pages.forms import Form, read_form


def install(app: FastAPI, frame: Frame, _: Devices) -> None:
    home, pages = frame.home, frame.pages

    def one(request: Request, task: int, *, status: int = 200, wrong: str = "") -> Response:
        worker = home.worker(task)
        progress = worker.progress  # one for the whole page
        if progress.disclosure is not None and progress.stage is Stage.ASKING:
            view = consent_view(progress.disclosure)
            return frame.render(request, "offer.html", status=status, worker=worker, view=view, wrong=wrong)
        chart = None if progress.standing is None else progress_chart(progress.standing)
        return frame.render(request, "task.html", status=status, worker=worker, progress=progress, chart=chart)

    @app.get("/tasks")
    def tasks(request: Request) -> Response:
        workers = sorted(home.workers.values(), key=lambda one: one.task)
        return frame.render(request, "tasks.html", workers=workers)

    @app.get("/tasks/find")
    def find(request: Request) -> Response:
        return found(request)

    def found(request: Request, *, status: int = 200, invitation: str = "", wrong: str = "") -> Response:
        facts = {"offers": home.offers, "trouble": home.offers_trouble, "edges": home.edges}
        return frame.render(request, "find.html", status=status, invitation=invitation, wrong=wrong, **facts)

    @app.post("/tasks/look")
    async def look(request: Request) -> Response:
        await run_in_threadpool(home.look_for_offers)
        return pages.redirect("/tasks/find")

    @app.post("/tasks/join")
    async def join(request: Request) -> Response:
        form = await read_form(request)
        try:
            task = await run_in_threadpool(lambda: home.take(invitation_from(form, home)))
        except CodeError:
            return found(request, status=422, invitation=form.get("invitation"), wrong="code")
        except HearthError as error:
            return found(request, status=422, invitation=form.get("invitation"), wrong=str(error.args[0]))
        return pages.redirect(f"/tasks/{task}")

    @app.get("/tasks/{task}")
    def task_page(request: Request, task: int) -> Response:
        return one(request, task)

    @app.post("/tasks/{task}/answer")
    async def answer(request: Request, task: int) -> Response:
        form = await read_form(request)
        disclosure = home.worker(task).progress.disclosure
        yes, knows = form.get("answer") == "yes", form.has("without_guarantee")
        if disclosure is None:
            return pages.redirect(f"/tasks/{task}")
        if yes and not disclosure.charges and not knows:
            return one(request, task, status=422, wrong="without_guarantee")
        home.answer(task, Answer(yes, knows))
        return pages.redirect(f"/tasks/{task}" if yes else "/tasks")

    @app.post("/tasks/{task}/pause")
    async def pause(request: Request, task: int) -> Response:
        home.pause(task, (await read_form(request)).get("paused") == "1")
        return pages.redirect(f"/tasks/{task}")

    @app.post("/tasks/{task}/again")
    async def again(request: Request, task: int) -> Response:
        home.worker(task).reopen()
        return pages.redirect(f"/tasks/{task}")

    @app.get("/tasks/{task}/leave")
    def may_leave(request: Request, task: int) -> Response:
        return frame.render(request, "leave.html", worker=home.worker(task))

    @app.post("/tasks/{task}/leave")
    async def leave(request: Request, task: int) -> Response:
        home.leave(task)
        return pages.redirect(f"/tasks/{task}")

    @app.post("/tasks/{task}/drop")
    async def drop(request: Request, task: int) -> Response:
        worker = home.worker(task)
        if worker.progress.stage in (Stage.DECLINED, Stage.TROUBLE, Stage.OVER):
            home.drop(task)
        return pages.redirect("/tasks")


def invitation_from(form: Form, home: Home) -> Invitation:
    """Pasted, or of an open task with the edge server that the owner names. Raises MalformedError."""
    if text := form.get("invitation"):
        return parse_invitation("".join(text.split()))
    chosen = form.get("task")
    offer = next((one for one in home.offers or () if str(one.task) == chosen), None)
    if offer is None:
        raise UnknownTaskError("paste an invitation, or choose one of the open tasks", fault=Party.CLIENT)
    edges = tuple(form.get("edge").rstrip("/").split()) or home.edges
    return Invitation(offer.domain, offer.task, offer.spec, edges)
