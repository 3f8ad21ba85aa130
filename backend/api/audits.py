"""Audits that this server runs for whoever asks. Who does not believe it runs ``hearth audit``."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from backend.api.answers import ETAG_HEADER, JSON, NOT_MODIFIED, Responses, as_json, problems, tagged, tagged_file
from backend.api.audit_runs import Audit, AuditRun, AuditRuns
from backend.api.directory import Directory
from backend.api.fields import Shown
from backend.api.tasks import TaskNumber
from backend.problem import RequestError
from protocol.errors import Party

AuditNumber = Annotated[int, Path(ge=1, le=2**53, description="number of the run", examples=[1])]


EVIDENCE: Final[Responses] = {
    **NOT_MODIFIED,
    200: {
        "description": "hearth-chain-evidence/1, canonical JSON of 64 MiB at most",
        "headers": ETAG_HEADER,
        "content": {JSON: {"schema": {"type": "object"}}},
    },
}


class AuditList(Shown):
    """The last one first."""

    items: list[AuditRun] = Field(max_length=20)


def audit_routes(directory: Directory, runs: AuditRuns | None) -> APIRouter:
    router = APIRouter(tags=["audits"])

    def known(task: int) -> AuditRuns:
        directory.entry(task)
        if runs is None:
            raise RequestError("this server runs no audits", fault=Party.CLIENT, code="E_NOT_FOUND")
        return runs

    @router.post(
        "/api/v1/tasks/{task}/audits",
        operation_id="start_audit",
        status_code=202,
        response_model=Audit,
        responses={
            202: {"headers": {"Location": {"description": "where its result will be", "schema": {"type": "string"}}}},
            **problems(404),
        },
    )
    async def start(task: TaskNumber) -> Response:
        """Starts an audit as a process of its own, or answers with the one that goes on. One at a time for a task."""
        run = await run_in_threadpool(lambda: known(task).start(task))
        where = f"/api/v1/tasks/{task}/audits/{run.audit}"
        return Response(as_json(run), 202, {"Location": where}, JSON)

    @router.get(
        "/api/v1/tasks/{task}/audits",
        operation_id="list_audits",
        response_model=AuditList,
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def listed(request: Request, task: TaskNumber) -> Response:
        """The runs that are kept; older ones are forgotten."""
        return tagged(request, await run_in_threadpool(lambda: _listed(known(task), task)))

    @router.get(
        "/api/v1/tasks/{task}/audits/{audit}",
        operation_id="audit",
        response_model=Audit,
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def one(request: Request, task: TaskNumber, audit: AuditNumber) -> Response:
        """One run, with every check that did not pass in plain language."""
        return tagged(request, await run_in_threadpool(lambda: known(task).run(task, audit)))

    @router.get(
        "/api/v1/tasks/{task}/audits/{audit}/evidence",
        operation_id="audit_evidence",
        response_class=Response,
        responses={**EVIDENCE, **problems(404)},
    )
    async def evidence(request: Request, task: TaskNumber, audit: AuditNumber) -> Response:
        """What the chain answered to the run: `hearth audit --evidence FILE` repeats it without asking the chain."""
        file = await run_in_threadpool(lambda: known(task).evidence(task, audit))
        return tagged_file(request, file, JSON, f"task-{task}-audit-{audit}-evidence.json")

    return router


def _listed(runs: AuditRuns, task: int) -> AuditList:
    shared = set(AuditRun.model_fields)
    return AuditList(items=[AuditRun(**run.model_dump(include=shared)) for run in runs.runs(task)])
