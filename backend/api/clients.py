"""Clients of a task, as everybody can see them: never a reading, never an update."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from backend.api.answers import NOT_MODIFIED, problems, tagged
from backend.api.directory import Directory, Entry
from backend.api.fields import Amount, HexAddress, Number, Page, Shown
from backend.api.pages import AddressCursor, Limit, page_of
from backend.api.tasks import TaskNumber
from backend.problem import RequestError
from protocol.errors import Party
from protocol.identifiers import Address, to_hex
from protocol.messages.chain import Enrolled
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation, Entitlement, RoundRecord
from protocol.task.documents import Absent
from protocol.task.state import TaskState

ClientAddress = Annotated[
    str, Path(pattern="^0x[0-9a-f]{40}$", examples=["0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"])
]


class Client(Shown):
    """One household's public name in this task, and what it did and earned."""

    address: HexAddress
    enrolled_block: Number
    left: bool = Field(examples=[False])
    planned: Number = Field(description="rounds whose plan names it")
    committed: Number = Field(description="of them, those in which it committed")
    accepted: Number = Field(description="of them, those whose sum has its update")
    rejected: dict[str, int] = Field(description="rounds that left its update out, by reason", examples=[{}])
    initial_reputation: int = Field(ge=0, le=255, description="at its enrolment", examples=[2])
    reputation: int = Field(ge=0, le=255, description="after the last settled round", examples=[3])
    earned: Amount = Field(description="in all, by the last settled round")
    payable: Amount = Field(description="of it, not claimed yet, past its dispute window")
    claimed: Amount
    compensated: Amount = Field(description="for rounds that were not published")
    stake: Amount = Field(description="brought when it enrolled")


@dataclass(frozen=True, slots=True)
class _Tally:
    """Of all rounds whose documents can be read."""

    planned: Counter[Address]
    committed: Counter[Address]
    accepted: Counter[Address]
    rejected: Mapping[Address, Counter[str]]
    earned: Mapping[Address, Entitlement]
    payable: Mapping[Address, Entitlement]


def client_routes(directory: Directory) -> APIRouter:
    router = APIRouter(tags=["clients"])

    @router.get(
        "/api/v1/tasks/{task}/clients",
        operation_id="list_clients",
        response_model=Page[Client],
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def clients(request: Request, task: TaskNumber, limit: Limit = 50, cursor: AddressCursor = None) -> Response:
        """Everybody who enrolled, by address."""

        def listed() -> Page[Client]:
            entry = directory.entry(task)
            tally = _tally(entry, directory.now())
            found = (event for event in _enrolled(entry) if cursor is None or to_hex(event.client) > cursor)
            events, next_cursor = page_of(found, limit, lambda event: to_hex(event.client))
            return Page[Client](items=[_client(entry, event, tally) for event in events], next=next_cursor)

        return tagged(request, await run_in_threadpool(listed))

    @router.get(
        "/api/v1/tasks/{task}/clients/{client}",
        operation_id="client",
        response_model=Client,
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def one(request: Request, task: TaskNumber, client: ClientAddress) -> Response:
        entry = directory.entry(task)
        event = entry.state.enrolled.get(bytes.fromhex(client[2:]))
        if event is None:
            raise RequestError(f"{client} is not enrolled in task {task}", fault=Party.CLIENT, code="E_NOT_FOUND")
        return tagged(request, await run_in_threadpool(lambda: _client(entry, event, _tally(entry, directory.now()))))

    return router


def _enrolled(entry: Entry) -> list[Enrolled]:
    return [event for _, event in sorted(entry.state.enrolled.items())]


def _client(entry: Entry, event: Enrolled, tally: _Tally) -> Client:
    client, state = event.client, entry.state
    earned, payable, claim = tally.earned.get(client), tally.payable.get(client), state.claims.get(client)
    claimed = claim.cumulative if claim else 0
    return Client(
        address=to_hex(client),
        enrolled_block=event.block,
        left=client in state.left,
        planned=tally.planned[client],
        committed=tally.committed[client],
        accepted=tally.accepted[client],
        rejected=dict(tally.rejected.get(client, {})),
        initial_reputation=event.reputation,
        reputation=earned.reputation if earned else event.reputation,
        earned=str(earned.cumulative if earned else 0),
        payable=str(max(0, (payable.cumulative if payable else 0) - claimed)),
        claimed=str(claimed),
        compensated=str(sum(paid.amount for (_, who), paid in state.compensated.items() if who == client)),
        stake=str(entry.posted.terms.stake),
    )


def _tally(entry: Entry, now: int) -> _Tally:
    state = entry.state
    planned, done, accepted = Counter[Address](), Counter[Address](), Counter[Address]()
    rejected: defaultdict[Address, Counter[str]] = defaultdict(Counter)
    for facts in state.rounds:
        plan, record, committed = state.plan(facts.number), state.record(facts.number), state.committed(facts.number)
        if isinstance(plan, RoundPlan):
            planned.update(weight.client for weight in plan.weights)
        if not isinstance(committed, Absent):
            done.update(committed.keys())
        if isinstance(record, RoundRecord):
            accepted.update(record.verdict.accepted)
            for one in record.verdict.rejected:
                rejected[one.client][one.reason] += 1
    earned, payable = allocation_leaves(state) or {}, allocation_leaves(state, now) or {}
    return _Tally(planned, done, accepted, rejected, earned, payable)


def allocation_leaves(state: TaskState, payable_at: int | None = None) -> dict[Address, Entitlement] | None:
    """By holder, of the last settled round, or of the last one that can be claimed at that instant.

    None where its document cannot be read; empty while there is no such round.
    """
    settled, payable_from = [facts.number for facts in state.rounds if facts.settled is not None], state.payable_from()
    if payable_at is not None and (payable_from is None or payable_at < payable_from):
        settled.pop()
    if not settled:
        return {}
    allocation = state.allocation(settled[-1])
    return {one.client: one for one in allocation.entitlements} if isinstance(allocation, Allocation) else None
