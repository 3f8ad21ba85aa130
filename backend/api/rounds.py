"""Rounds of a task."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from backend.api.answers import NOT_MODIFIED, problems, tagged
from backend.api.directory import Directory, Entry
from backend.api.fields import (
    Amount,
    Figure,
    HexAddress,
    HexDigest,
    Instant,
    Lack,
    Number,
    Page,
    Score,
    Shown,
    figure_of,
    hex_or_none,
    instant,
)
from backend.api.gas import GasBook, RoundGas, gas_of
from backend.api.pages import Limit, NumberCursor, page_of
from backend.api.tasks import TaskNumber, lack_of
from backend.problem import RequestError
from protocol.errors import Party
from protocol.identifiers import to_hex
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import RoundRecord
from protocol.task.round_facts import RoundFacts
from protocol.task.status import screening_word

RoundNumber = Annotated[int, Path(ge=1, le=2**32 - 1, description="number of the round in its task", examples=[1])]
Openings = Literal["requested", "opened", "unopened"] | None
Stage = Literal["open", "requested", "published", "abandoned", "expired", "frozen"]


class Refusal(Shown):
    """A committed update that is not in the sum."""

    client: HexAddress
    reason: str = Field(
        description="unavailable, corrupt or malformed; of a screened round also norm, gram, history, rule, probation"
        " or level",
        examples=["unavailable"],
    )


class Transactions(Shown):
    """Of the round's steps so far."""

    opened: HexDigest
    batched: HexDigest | None
    screening: HexDigest | None = Field(description="the request for the openings of a screened round")
    requested: HexDigest | None
    ended: HexDigest | None


class Round(Shown):
    """One round. What is not known yet is null."""

    round: int = Field(ge=1, examples=[1])
    state: Stage
    outcome: str | None = Field(description="as its record says: published, garbage, abandoned", examples=["published"])
    edge_server: HexAddress = Field(description="that opened it")
    culprit: HexAddress | None = Field(description="whose breach froze it")
    opened_block: Number
    ended_block: Number | None
    commit_until: Instant
    settle_until: Instant
    plan: HexDigest
    label: HexDigest
    cohort: Number = Field(description="clients planned")
    batched: Number = Field(description="commitments in the batch")
    direct: Number = Field(description="commitments that clients sent to the chain themselves")
    committed: Number
    accepted: Number | None
    rejected: list[Refusal] | None
    screening: Openings = Field(description="of a screened round: how far its openings are", examples=["opened"])
    model: HexDigest | None
    score: Score | None
    privacy: Figure | None = Field(description="spent up to this round by a client that trained in every one")
    allocated: Amount | None = Field(description="owed in all after this round; null where it has no tree")
    compensation: Amount = Field(description="that each client which committed is owed because there is no tree")
    lacking: list[Lack]
    transactions: Transactions
    gas: RoundGas | None = Field(description="null where this server reads no receipts")
    milliseconds: dict[str, int] = Field(
        description="how long this server's moves took, by kind", examples=[{"decrypt": 230, "publish": 120}]
    )


def round_routes(directory: Directory, gas: GasBook | None = None) -> APIRouter:
    router = APIRouter(tags=["rounds"])

    @router.get(
        "/api/v1/tasks/{task}/rounds",
        operation_id="list_rounds",
        response_model=Page[Round],
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def rounds(request: Request, task: TaskNumber, limit: Limit = 50, cursor: NumberCursor = None) -> Response:
        """From the first one on."""

        def listed() -> Page[Round]:
            entry = directory.entry(task)
            found = (number for number in range(int(cursor or 0) + 1, len(entry.state.rounds) + 1))
            numbers, next_cursor = page_of(found, limit, str)
            return Page[Round](items=[round_of(entry, number, gas) for number in numbers], next=next_cursor)

        return tagged(request, await run_in_threadpool(listed))

    @router.get(
        "/api/v1/tasks/{task}/rounds/{number}",
        operation_id="round",
        response_model=Round,
        responses={**NOT_MODIFIED, **problems(404)},
    )
    async def one(request: Request, task: TaskNumber, number: RoundNumber) -> Response:
        entry = directory.entry(task)
        if entry.state.round(number) is None:
            raise RequestError(f"task {task} has no round {number} yet", fault=Party.CLIENT, code="E_NOT_FOUND")
        return tagged(request, await run_in_threadpool(round_of, entry, number, gas))

    return router


def round_of(entry: Entry, number: int, gas: GasBook | None) -> Round:
    """A round that is opened."""
    state = entry.state
    facts, record = state.rounds[number - 1], state.record(number)
    status = next((one for one in entry.status.rounds if one.round == number), None)
    known = record if isinstance(record, RoundRecord) else None
    published = facts.ended if isinstance(facts.ended, RoundPublished) else None
    direct, batched = len(facts.directs), facts.batched.count if facts.batched else 0
    accepted = len(known.verdict.accepted) if known else None
    return Round(
        round=number,
        state=cast(Stage, facts.state.name.lower()),
        outcome=known.outcome if known else None,
        edge_server=to_hex(facts.server),
        culprit=to_hex(facts.frozen.culprit) if facts.frozen else None,
        opened_block=facts.opened.block,
        ended_block=facts.ended.block if facts.ended else None,
        commit_until=instant(facts.opened.commit_until),
        settle_until=instant(facts.opened.settle_until),
        plan=to_hex(facts.opened.plan),
        label=to_hex(facts.opened.label),
        cohort=facts.opened.cohort,
        batched=batched,
        direct=direct,
        committed=batched + direct,
        accepted=accepted,
        rejected=[Refusal(client=to_hex(one.client), reason=one.reason) for one in known.verdict.rejected]
        if known
        else None,
        screening=cast(Openings, screening_word(state, facts) or None),
        model=hex_or_none(published.model) if published else None,
        score=Score(correct=published.correct, examples=published.examples) if published else None,
        privacy=figure_of(known.charge.figure) if known else None,
        allocated=str(facts.settled.allocated) if facts.settled else None,
        compensation=str(status.compensation if status else 0),
        lacking=[lack_of(one) for one in status.lacking] if status else [],
        transactions=_transactions(facts),
        gas=gas_of(gas, facts, accepted) if gas is not None else None,
        milliseconds={kind: round(seconds * 1_000) for kind, seconds in dict(entry.seconds.get(number, {})).items()},
    )


def _transactions(facts: RoundFacts) -> Transactions:
    return Transactions(
        opened=to_hex(facts.opened.transaction),
        batched=to_hex(facts.batched.transaction) if facts.batched else None,
        screening=to_hex(facts.screening.transaction) if facts.screening else None,
        requested=to_hex(facts.requested.transaction) if facts.requested else None,
        ended=to_hex(facts.ended.transaction) if facts.ended else None,
    )
