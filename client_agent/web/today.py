"""The first page: what comes in from which appliance, how each task is going, and what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from client_agent.data.intake.plugs import Plug
from client_agent.data.intake.readings import Readings
from client_agent.recognition import Recognised
from client_agent.web.book import MAX_SHOWN, Noticed
from client_agent.web.door import Devices
from client_agent.web.frame import Frame
from client_agent.web.household import Home
from client_agent.web.recognition import Naming
from protocol.errors import HearthError
from protocol.identifiers import NATIVE_COIN, Address
from storage.pages.charts import Chart, Series
from storage.pages.forms import read_form

DAYS: Final = 3
POINT_MINUTES: Final = 30  # between two points of a plot
DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Intake:
    """``chart``: watts of the last days, None where nothing was measured."""

    plug: Plug
    chart: Chart | None
    day_wh: float  # of the last 24 hours, as far as they were measured
    recognised: Recognised | None  # None while there is no model that names appliances


def install(app: FastAPI, frame: Frame, _: Devices) -> None:
    home = frame.home

    @app.get("/")
    def today(request: Request) -> Response:
        naming = home.naming()
        plugs, trouble = intakes(home, naming)
        workers = sorted(home.workers.values(), key=lambda one: one.task)
        facts = {"intakes": plugs, "trouble": trouble, "workers": workers, "budgets": budgets(home), "naming": naming}
        return frame.show(request, "today.html", facts)

    @app.get("/notices")
    def notices(request: Request) -> Response:
        state = home.state
        shown = [_told(home, place, one) for place, one in list(enumerate(state.notices))[-MAX_SHOWN:]]
        return frame.render(request, "notices.html", notices=shown[::-1], read=state.read, count=len(state.notices))

    @app.post("/notices")
    async def read(request: Request) -> Response:
        text = (await read_form(request)).get("count")
        home.book.read_notices(int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0)
        home.changed()
        return frame.pages.redirect("/notices")


@dataclass(frozen=True, slots=True)
class Told:
    """``place``: in the order in which they came. ``title``: of the task, empty where it is not known."""

    place: int
    notice: Noticed
    title: str
    token: Address


def _told(home: Home, place: int, notice: Noticed) -> Told:
    worker = home.workers.get(notice.task)
    standing = None if worker is None else worker.progress.standing
    offer = next((one for one in home.offers or () if one.task == notice.task), None)
    if standing is not None:
        return Told(place, notice, standing.title, standing.token)
    return Told(place, notice, offer.title if offer else "", offer.token if offer else NATIVE_COIN)


def budgets(home: Home) -> tuple[object, ...] | None:
    """None while policy or privacy ledger cannot be read."""
    try:
        return home.budgets.of(home.spending(), home.policy.privacy)
    except HearthError:
        return None


def intakes(home: Home, naming: Naming) -> tuple[list[Intake], str]:
    """By plug, and what is wrong with the file."""
    readings = home.readings
    if readings is None:
        return [], ""
    try:
        last = readings.last_heard() or 0
        return [_intake(home, readings, naming, plug, last) for plug in readings.appliances()], ""
    except HearthError as error:
        return [], str(error.args[0])


def _intake(home: Home, readings: Readings, naming: Naming, plug: Plug, last: int) -> Intake:
    end = last - last % 60
    watts = readings.minutes(plug.number, end - DAY, end)[0]
    recognised = home.recognition.of(naming, readings, plug)
    return Intake(plug, chart_of(readings, plug, last), float(np.nansum(watts)) / 60, recognised)


def chart_of(readings: Readings, plug: Plug, last: int, days: int = DAYS, minutes: int = POINT_MINUTES) -> Chart | None:
    """Means of ``minutes`` each, up to ``last``; None without a reading."""
    end = last - last % 60
    begin = end - days * DAY
    watts = readings.minutes(plug.number, begin, end)[0]
    pieces = watts[: len(watts) // minutes * minutes].reshape(-1, minutes)
    known = ~np.isnan(pieces).all(axis=1)
    if not known.any():
        return None
    means = np.nanmean(np.where(known[:, None], pieces, 0.0), axis=1)
    first = int(np.argmax(known))  # what was before the plug is not shown
    places = [begin + 60 * minutes * index for index in range(first, len(means))]
    values = [
        round(float(mean), 1) if there else None for mean, there in zip(means[first:], known[first:], strict=True)
    ]
    return Chart(plug.name, "", places, (Series("W", values, places=1, style="area"),), time=True, left="W")
