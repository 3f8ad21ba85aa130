"""The key authorities of a task: what the chain says of them, and when this server last had an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from backend.api.answers import NOT_MODIFIED, problems, tagged
from backend.api.books import bonds_of
from backend.api.directory import Directory, Entry
from backend.api.fields import Amount, HexAddress, Instant, Shown, instant_or_none
from backend.api.tasks import TaskNumber
from backend.rounds.authority_health import Heard
from protocol.identifiers import Address, to_hex

Health = Callable[[], Mapping[Address, Heard]]


class Authority(Shown):
    """One member of the committee. Instants are null where there is none."""

    address: HexAddress
    position: int = Field(ge=1, description="in the committee", examples=[1])
    dismissed: bool = Field(description="a dispute ended its role", examples=[False])
    bond: Amount
    last_roster: int | None = Field(ge=0, description="last window of rounds whose roster it posted", examples=[0])
    last_answer: Instant | None = Field(description="to this server, in whatever task")
    last_failure: Instant | None
    code: str | None = Field(description="of the last failure, unless an answer came since", examples=["E_AUTHORITY"])


class AuthorityList(Shown):
    """Any `threshold` authorities that answer are enough."""

    threshold: int = Field(ge=1, examples=[2])
    corrupt: int | None = Field(description="members that may sign anything", examples=[0])
    members: list[Authority]


def authority_routes(directory: Directory, health: Health) -> APIRouter:
    router = APIRouter(tags=["authorities"])

    @router.get(
        "/api/v1/tasks/{task}/authorities",
        operation_id="authorities",
        response_model=AuthorityList,
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def authorities(request: Request, task: TaskNumber) -> Response:
        """In the committee's order."""
        return tagged(request, await run_in_threadpool(lambda: _committee(directory.entry(task), health())))

    return router


def _committee(entry: Entry, heard: Mapping[Address, Heard]) -> AuthorityList:
    terms, state, bonds = entry.posted.terms, entry.state, bonds_of(entry.events)
    committee = getattr(state.spec, "committee", None)
    members = []
    for position, member in enumerate(terms.authorities, 1):
        windows = [window for window, rosters in state.rosters.items() if member in rosters]
        last = heard.get(member, Heard())
        members.append(
            Authority(
                address=to_hex(member),
                position=position,
                dismissed=member in state.dismissed,
                bond=str(bonds.get(member, 0)),
                last_roster=max(windows, default=None),
                last_answer=instant_or_none(last.answered),
                last_failure=instant_or_none(last.failed),
                code=last.code or None,
            )
        )
    return AuthorityList(threshold=terms.threshold, corrupt=committee.corrupt if committee else None, members=members)
