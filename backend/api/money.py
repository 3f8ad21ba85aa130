"""Where a task's money is: escrow, rewards by state, fees, deposits, refunds."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from backend.api.answers import NOT_MODIFIED, problems, tagged
from backend.api.books import balance_of, bonds_of, stakes_of
from backend.api.clients import allocation_leaves
from backend.api.directory import Directory, Entry
from backend.api.fields import Amount, HexAddress, Shown
from backend.api.tasks import TaskNumber
from protocol.identifiers import Address, to_hex

Role = Literal["edge server", "authority"]


class RewardMoney(Shown):
    """What clients and servers have earned, as the last settled round says."""

    allocated: Amount = Field(description="in all")
    disputable: Amount = Field(description="of it, still inside its dispute window")
    payable: Amount = Field(description="of it, past that window: claimed or to be claimed")
    claimed: Amount
    unclaimed: Amount
    compensated: Amount = Field(description="paid for rounds that were not published, besides")
    compensation_owed: Amount = Field(description="at most, for such rounds, and not claimed yet")


class Fees(Shown):
    """Of the allocated money, what is not clients'. Null while the allocation cannot be read."""

    edge_servers: Amount
    authorities: Amount


class Deposit(Shown):
    """A bond that the ledger holds."""

    holder: HexAddress
    role: Role
    amount: Amount


class Credit(Shown):
    """What could not be paid to its owner, and waits for `withdraw`."""

    holder: HexAddress
    amount: Amount


class Money(Shown):
    """All amounts in smallest units of `token`, as decimal strings."""

    token: HexAddress = Field(description="zero: the chain's own coin")
    escrow: Amount = Field(description="that came with the task")
    forfeited: Amount = Field(description="that lost bonds brought into the escrow since")
    held: Amount = Field(description="of the escrow, not paid out yet")
    rewards: RewardMoney
    fees: Fees | None
    refunded: Amount
    refundable: Amount = Field(description="what a refund would pay now; 0 while the task runs")
    bonds: list[Deposit]
    stakes: Amount = Field(description="of clients, held by the ledger")
    credits: list[Credit]


def money_routes(directory: Directory) -> APIRouter:
    router = APIRouter(tags=["money"])

    @router.get(
        "/api/v1/tasks/{task}/money",
        operation_id="money",
        response_model=Money,
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def money(request: Request, task: TaskNumber) -> Response:
        """Of one task, by the events of its ledger."""
        return tagged(request, await run_in_threadpool(lambda: _money(directory.entry(task), directory.now())))

    return router


def _money(entry: Entry, now: int) -> Money:
    posted, status, state = entry.posted, entry.status, entry.state
    terms, books = posted.terms, balance_of(posted, state, entry.events, now)
    bonds = bonds_of(entry.events)
    holders: list[tuple[Address, Role]] = [(holder, "edge server") for holder in terms.edge_servers]
    holders += [(holder, "authority") for holder in terms.authorities]
    return Money(
        token=to_hex(terms.token),
        escrow=str(posted.escrow),
        forfeited=str(books.forfeited),
        held=str(books.held),
        rewards=RewardMoney(
            allocated=str(status.allocated),
            disputable=str(max(0, status.allocated - status.payable)),
            payable=str(status.payable),
            claimed=str(books.claimed),
            unclaimed=str(books.unclaimed),
            compensated=str(books.compensated),
            compensation_owed=str(books.reserved),
        ),
        fees=_fees(entry),
        refunded=str(books.refunded),
        refundable=str(books.refundable),
        bonds=[Deposit(holder=to_hex(holder), role=role, amount=str(bonds.get(holder, 0))) for holder, role in holders],
        stakes=str(stakes_of(posted, entry.events)),
        credits=[
            Credit(holder=to_hex(holder), amount=str(amount))
            for holder, amount in sorted(state.credits.items())
            if amount
        ],
    )


def _fees(entry: Entry) -> Fees | None:
    leaves, terms = allocation_leaves(entry.state), entry.posted.terms
    if leaves is None:
        return None
    earned = {holder: leaf.cumulative for holder, leaf in leaves.items()}
    return Fees(
        edge_servers=str(sum(earned.get(server, 0) for server in set(terms.edge_servers))),
        authorities=str(sum(earned.get(member, 0) for member in set(terms.authorities))),
    )
