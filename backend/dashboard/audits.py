"""The audit of a task: asked for, watched while it runs, and read: every check that fails in a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from backend.dashboard.answers import TaskDetails
from backend.dashboard.api import Api, ApiError
from backend.dashboard.audit_answers import Audit, Finding
from backend.dashboard.frame import Frame, Number
from backend.dashboard.subjects import parts_of

SHOWN: Final = 200  # findings of a page; all of them are in the file
_ROUND: Final = re.compile(r"\bround ([1-9][0-9]{0,8})\b")


async def culprits_of(api: Api, task: TaskDetails, audit: Audit) -> Mapping[int, str]:
    """Addresses of those at fault, by the place of the finding, where the task or the round names one alone."""
    found: dict[int, str] = {}
    servers: dict[int, str] = {}
    for place, finding in enumerate(audit.findings[:SHOWN]):
        if finding.at_fault == "manufacturer":
            found[place] = task.manufacturer
        elif finding.at_fault == "edge server":
            named = [one.address for one in task.servers if one.address in finding.detail]
            if named:  # another one than opened the round may have settled it
                found[place] = named[0]
                continue
            number = _round_of(finding)
            if number is not None and number not in servers and number <= task.rounds:
                servers[number] = (await api.round(task.task, number)).edge_server
            if number in servers:
                found[place] = servers[number]
            elif len(task.servers) == 1:
                found[place] = task.servers[0].address
    return found


def _round_of(finding: Finding) -> int | None:
    match = _ROUND.search(finding.subject)
    return int(match[1]) if match else None


def install(app: FastAPI, frame: Frame) -> None:
    api = frame.api

    @app.get("/tasks/{task}/audits")
    async def audits(request: Request, task: Number) -> Response:
        found = await api.task(task)
        try:
            runs = (await api.audits(task)).items
        except ApiError as error:
            if error.code != "E_NOT_FOUND":
                raise
            runs = None
        return frame.render(request, "audits.html", task=found, runs=runs)

    @app.post("/tasks/{task}/audits")
    async def start(request: Request, task: Number) -> Response:
        try:
            run = await api.start_audit(task)
        except ApiError as error:
            if error.code != "E_BUSY":
                raise
            found = await api.task(task)
            runs = (await api.audits(task)).items
            return frame.render(request, "audits.html", status=503, task=found, runs=runs, busy=True)
        return frame.pages.redirect(f"/tasks/{task}/audits/{run.audit}")

    @app.get("/tasks/{task}/audits/{audit}")
    async def one(request: Request, task: Number, audit: Number) -> Response:
        found, run, identity = await api.task(task), await api.audit(task, audit), await api.identity()
        culprits = await culprits_of(api, found, run)
        failing = [(place, each) for place, each in enumerate(run.findings[:SHOWN]) if each.result == "FAIL"]
        others = [each for each in run.findings[:SHOWN] if each.result != "FAIL"]
        more = max(0, len(run.findings) - SHOWN) + run.omitted
        return frame.render(
            request,
            "audit.html",
            task=found,
            run=run,
            failing=failing,
            others=others,
            culprits=culprits,
            more=more,
            identity=identity,
            parts_of=parts_of,
        )

    @app.get("/tasks/{task}/audits/{audit}/file")
    async def file(task: Number, audit: Number) -> Response:
        content = (await api.send("GET", f"tasks/{task}/audits/{audit}")).content
        name = {"content-disposition": f'attachment; filename="task-{task}-audit-{audit}.json"'}
        return Response(content, headers=name, media_type="application/json")
