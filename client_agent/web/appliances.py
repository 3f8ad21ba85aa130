"""Pages of appliances: which plug is which, and what its readings may be used for. Every switch is off at first."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from client_agent.data.intake.examples import write_examples
from client_agent.data.intake.plugs import KINDS, OTHER, Plug, Purpose
from client_agent.data.intake.readings import Readings
from client_agent.web.door import Devices
from client_agent.web.frame import Frame
from client_agent.web.household import Home
from client_agent.web.today import chart_of
from protocol.errors import HearthError, MalformedError, Party
from storage.pages.forms import Form, read_form

SHOWN_DAYS: Final = 7


class NoReadingsError(HearthError):
    """This household collects no readings."""

    code = "E_NOT_FOUND"


def install(app: FastAPI, frame: Frame, _: Devices) -> None:
    home, pages = frame.home, frame.pages

    @app.get("/appliances")
    def appliances(request: Request) -> Response:
        readings = home.readings
        plugs = () if readings is None else readings.appliances()
        refused = {} if readings is None else readings.refused()
        examples = {} if readings is None else {purpose: readings.examples(purpose) for purpose in Purpose}
        stored = 0 if readings is None else readings.bytes_stored()
        naming = home.naming()
        recognised = (
            {} if readings is None else {one.number: home.recognition.of(naming, readings, one) for one in plugs}
        )
        facts = {"plugs": plugs, "refused": refused, "examples": examples, "stored": stored, "naming": naming}
        return frame.show(request, "appliances.html", {**facts, "files": home.files, "recognised": recognised})

    @app.get("/appliances/{number}")
    def appliance(request: Request, number: int) -> Response:
        return shown(request, number)

    def shown(request: Request, number: int, *, status: int = 200, wrong: str = "") -> Response:
        readings, plug = _plug(home, number)
        chart = chart_of(readings, plug, readings.last_heard() or 0, SHOWN_DAYS)
        naming = home.naming()
        found = {"naming": naming, "recognised": home.recognition.of(naming, readings, plug)}
        facts = {"plug": plug, "chart": chart, "kinds": KINDS, "purposes": list(Purpose), "other": OTHER, **found}
        return frame.render(request, "appliance.html", status=status, wrong=wrong, **facts)

    @app.post("/appliances/{number}")
    async def assign(request: Request, number: int) -> Response:
        form = await read_form(request)
        try:
            await run_in_threadpool(_assign, home, number, form)
        except MalformedError as error:
            return shown(request, number, status=422, wrong=str(error.args[0]))
        home.changed()
        return pages.redirect("/appliances")

    @app.get("/appliances/{number}/forget")
    def may_forget(request: Request, number: int) -> Response:
        return frame.render(request, "forget.html", plug=_plug(home, number)[1])

    @app.post("/appliances/{number}/forget")
    async def forget(request: Request, number: int) -> Response:
        await run_in_threadpool(_forget, home, number)
        home.changed()
        return pages.redirect("/appliances")


def _plug(home: Home, number: int) -> tuple[Readings, Plug]:
    """Raises NoReadingsError."""
    readings = home.readings
    plug = None if readings is None else next((one for one in readings.appliances() if one.number == number), None)
    if readings is None or plug is None:
        raise NoReadingsError("there is no appliance of that number", fault=Party.CLIENT)
    return readings, plug


def _assign(home: Home, number: int, form: Form) -> None:
    """Raises MalformedError, ReadingsError."""
    readings, _ = _plug(home, number)
    purposes = [purpose for purpose in Purpose if purpose.value in form.all("purpose")]
    now, kind = readings.last_heard() or 0, form.get("kind")
    if kind:
        readings.assign(number, kind, form.get("brand"), purposes, now)
    elif purposes:
        raise MalformedError("say what appliance it is before you switch a use on", fault=Party.CLIENT)
    else:
        readings.unassign(number)
    write_examples(readings, home.folder.path, now)


def _forget(home: Home, number: int) -> None:
    readings, _ = _plug(home, number)
    readings.forget(number)
    write_examples(readings, home.folder.path, readings.last_heard() or 0)
