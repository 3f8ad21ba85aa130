"""Tasks of this server: the list, one of them, its spec."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from backend.api.answers import JSON, NOT_MODIFIED, problems, tagged, tagged_bytes
from backend.api.books import bonds_of
from backend.api.directory import Directory, Entry
from backend.api.fields import Lack, Page, Score, figure_of, instant_or_none
from backend.api.invitations import Inviting
from backend.api.message_schema import answers
from backend.api.models import Agreed, EdgeServer, Mechanism, Rewards, Service, TaskDetails, TaskStage, TaskSummary
from backend.api.pages import Limit, NumberCursor, page_of
from backend.problem import RequestError
from protocol.canonical import encode
from protocol.errors import HearthError, Party
from protocol.identifiers import to_hex
from protocol.messages.chain import RoundPublished
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.model.specification import dimension_of
from protocol.round.scheme import RoundScheme
from protocol.task.state import TaskState
from protocol.task.status import Lacking

TaskNumber = Annotated[int, Path(ge=1, le=2**63, description="number of the task on its ledger", examples=[1])]
AddressFilter = Annotated[
    str | None, Query(pattern="^0x[0-9a-f]{40}$", examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"])
]


def task_routes(directory: Directory, invite: Inviting) -> APIRouter:
    router = APIRouter(tags=["tasks"])

    @router.get(
        "/api/v1/tasks",
        operation_id="list_tasks",
        response_model=Page[TaskSummary],
        responses={**NOT_MODIFIED, **problems()},
    )
    async def tasks(
        request: Request,
        state: Annotated[TaskStage | None, Query()] = None,
        service: Annotated[Service | None, Query()] = None,
        manufacturer: AddressFilter = None,
        edge_server: AddressFilter = None,
        limit: Limit = 50,
        cursor: NumberCursor = None,
    ) -> Response:
        """Every task that names this server, the last one posted first. `edge_server` is one of the task's list."""

        def listed() -> Page[TaskSummary]:
            found = (
                entry
                for entry in directory.entries()
                if (cursor is None or entry.task < int(cursor))
                and state in (None, entry.status.state)
                and service in (None, entry.service)
                and manufacturer in (None, to_hex(entry.posted.manufacturer))
                and (edge_server is None or edge_server in map(to_hex, entry.posted.terms.edge_servers))
            )
            entries, next_cursor = page_of(found, limit, lambda entry: str(entry.task))
            return Page[TaskSummary](items=[TaskSummary(**summary_of(entry)) for entry in entries], next=next_cursor)

        return tagged(request, await run_in_threadpool(listed))

    @router.get(
        "/api/v1/tasks/{task}/details",
        operation_id="task_details",
        response_model=TaskDetails,
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def details(request: Request, task: TaskNumber) -> Response:
        """One task with its terms and servers."""

        def found() -> TaskDetails:
            entry = directory.entry(task)
            return details_of(entry, invite(entry, request))

        return tagged(request, await run_in_threadpool(found))

    @router.get(
        "/api/v1/tasks/{task}/spec",
        operation_id="task_spec",
        responses={**NOT_MODIFIED, **answers(TaskSpec), **problems(404)},
    )
    async def spec(request: Request, task: TaskNumber) -> Response:
        """Everything that was agreed, in canonical encoding; its SHA-256 chunk digest is the one on chain."""
        entry = directory.entry(task)
        found = entry.state.spec
        if not isinstance(found, TaskSpec):
            raise RequestError(f"the spec is {found.lack}", fault=Party.MANUFACTURER, code="E_NOT_FOUND")
        return tagged_bytes(request, encode(found), JSON, to_hex(entry.posted.terms.spec))

    return router


def summary_of(entry: Entry) -> dict[str, Any]:
    """Fields of a :class:`TaskSummary`."""
    posted, status, state = entry.posted, entry.status, entry.state
    terms = posted.terms
    published = [facts.ended for facts in state.rounds if isinstance(facts.ended, RoundPublished)]
    last = published[-1] if published else None
    return {
        "task": posted.task,
        "title": status.title,
        "state": status.state,
        "service": entry.service,
        "manufacturer": to_hex(posted.manufacturer),
        "edge_server": to_hex(state.acting or terms.edge_servers[0]),
        "edge_servers": [to_hex(server) for server in terms.edge_servers],
        "spec": to_hex(terms.spec),
        "token": to_hex(terms.token),
        "escrow": str(posted.escrow),
        "rewards": Rewards(
            participation=str(terms.participation),
            contribution=str(terms.contribution),
            edge_fee=str(terms.edge_fee),
            authority_fee=str(terms.authority_fee),
        ),
        "enrolled": status.enrolled,
        "left": status.left,
        "min_clients": terms.min_clients,
        "max_clients": terms.max_clients,
        "max_cohort": terms.max_cohort,
        "needs_voucher": any(terms.voucher_key),
        "rounds": len(state.rounds),
        "published": len(published),
        "max_rounds": status.max_rounds or terms.rounds,
        "posted_block": posted.block,
        "posted_transaction": to_hex(posted.transaction),
        "enrol_until": instant_or_none(status.enrol_until or posted.enrol_until),
        "task_until": instant_or_none(posted.task_until),
        "claim_until": instant_or_none(posted.claim_until),
        "score": Score(correct=last.correct, examples=last.examples) if last else None,
        "privacy": figure_of(status.charge[0].figure) if status.charge else None,
        "lacking": [lack_of(one) for one in status.lacking],
    }


def details_of(entry: Entry, invitation: str | None) -> TaskDetails:
    terms, state, bonds = entry.posted.terms, entry.state, bonds_of(entry.events)
    return TaskDetails(
        **summary_of(entry),
        threshold=terms.threshold,
        authorities=[to_hex(member) for member in terms.authorities],
        servers=[
            EdgeServer(
                address=to_hex(server),
                acting=server == (state.acting or terms.edge_servers[0]),
                dismissed=server in state.dismissed,
                bond=str(bonds.get(server, 0)),
            )
            for server in terms.edge_servers
        ],
        agreed=_agreed(state, state.spec) if isinstance(state.spec, TaskSpec) else None,
        invitation=invitation,
    )


def lack_of(lacking: Lacking) -> Lack:
    return Lack(document=lacking.document, lack=lacking.lack, keeper=to_hex(lacking.keeper))


def _agreed(state: TaskState, spec: TaskSpec) -> Agreed:
    mechanism, durations = spec.learning.mechanism, spec.durations
    shared = {field.name for field in fields(mechanism)} & Mechanism.model_fields.keys()
    return Agreed(
        suite=spec.suite,
        confirmations=spec.confirmations,
        input_shape=list(spec.model.input_shape),
        classes=spec.model.classes,
        layers=[layer.kind for layer in spec.model.layers],
        parameters=dimension_of(spec.model),
        mechanism=Mechanism(
            density_ppm=spec.learning.sparsity.density_ppm, **{name: getattr(mechanism, name) for name in shared}
        ),
        epsilon_budget_micro=spec.privacy.epsilon_budget_micro,
        delta_exponent=spec.privacy.delta_exponent,
        accountant=spec.privacy.accountant,
        ciphertext_bytes=_ciphertext_bytes(state, spec),
        training_seconds=spec.schedule.training_seconds,
        commit_seconds=durations.commit_seconds,
        settle_seconds=durations.settle_seconds,
        dispute_seconds=durations.dispute_seconds,
        initial_model=to_hex(spec.initial_model),
        test_set=to_hex(spec.test_set),
    )


def _ciphertext_bytes(state: TaskState, spec: TaskSpec) -> int | None:
    """Of the last round whose plan can be read."""
    plan = state.plan(len(state.rounds)) if state.rounds else None
    if not isinstance(plan, RoundPlan):
        return None
    try:
        return RoundScheme.of(plan, spec.committee).body_bytes
    except HearthError:  # a suite of another version
        return None
