"""One fold over a task's events, made by every party: phone, edge server, auditor, status page, report.

:func:`apply` is total: it never raises and never fetches. Documents are fetched outside and handed in like events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from typing import Any, Final

from protocol.identifiers import Address
from protocol.messages.chain import (
    BatchCommitted,
    BondForfeited,
    Claimed,
    CohortDrawn,
    Compensated,
    Credited,
    DirectCommitted,
    DrawLapsed,
    Enrolled,
    EnrolmentFull,
    Event,
    KeyRequested,
    Left,
    Refunded,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    ScreeningRequested,
    TakenOver,
    TaskPosted,
    Withdrawn,
)
from protocol.messages.rosters import RosterPosted
from protocol.task.documents import Delivered, Document, Rederived, Screened, read
from protocol.task.round_facts import RoundFacts
from protocol.task.state import TaskState
from protocol.task.told import Documents


@dataclass(frozen=True, slots=True)
class BlockMined:
    """The time of a block, in seconds; handed in by those whose decisions depend on it."""

    block: int
    time: int


Entry = Event | Delivered | BlockMined | Rederived | Screened


def apply(state: TaskState, entry: Entry) -> TaskState:
    """The state after one more entry. Never raises: what does not fit is kept among the misfits."""
    match entry:
        case Delivered():
            return _deliver(state, entry)
        case BlockMined(block, time):
            return replace(state, times={**state.times, block: time})
        case Rederived():
            return replace(state, rederived={**state.rederived, entry.number: entry})
        case Screened(number, verdict):
            return replace(state, screened={**state.screened, number: verdict})
    if getattr(entry, "task", None) != state.task:
        return state
    return _by_event(state, entry) or replace(state, misfits=(*state.misfits, entry))


def apply_all(state: TaskState, entries: Iterable[Entry]) -> TaskState:
    """The state that :func:`apply` comes to, one entry after the other. What many do in a row, such as enrolling, is
    added together: what is known already is copied once for all of them, not for each."""
    for kind, grouped in groupby(entries, type):
        run, add = tuple(grouped), _TOGETHER.get(kind)
        state = reduce(apply, run, state) if add is None or state.posted is None else add(state, run)
    return state


def fold(
    task: int, entries: Iterable[Entry], documents: Documents | None = None, only: Address | None = None
) -> TaskState:
    """``documents``: of an earlier state. A digest names the same document on every branch of the chain. ``only``: the
    client that the entries are of, where they are not of everybody."""
    return apply_all(TaskState(task, only, documents=documents or {}), entries)


def _enrol(state: TaskState, run: Sequence[Any]) -> TaskState:
    own = {event.client: event for event in run if event.task == state.task}
    return replace(state, enrolled={**state.enrolled, **own})


def _leave(state: TaskState, run: Sequence[Any]) -> TaskState:
    own = {event.client: len(state.rounds) for event in run if event.task == state.task}
    return replace(state, left={**state.left, **own})


def _claim(state: TaskState, run: Sequence[Any]) -> TaskState:
    own = {event.client: event for event in run if event.task == state.task}
    return replace(state, claims={**state.claims, **own})


def _time(state: TaskState, run: Sequence[Any]) -> TaskState:
    return replace(state, times={**state.times, **{mined.block: mined.time for mined in run}})


# of a posted task
_TOGETHER: Final[Mapping[type, Callable[[TaskState, Sequence[Any]], TaskState]]] = {
    Enrolled: _enrol, Left: _leave, Claimed: _claim, BlockMined: _time,
}  # fmt: skip


def _deliver(state: TaskState, delivered: Delivered) -> TaskState:
    """Nothing replaces a document that is there."""
    key = (delivered.wanted.kind, delivered.wanted.digest)
    if isinstance(state.documents.get(key), Document):
        return state
    return replace(state, documents={**state.documents, key: read(delivered)})


def _by_event(state: TaskState, event: Event) -> TaskState | None:
    """None for an event that cannot be where it is."""
    if isinstance(event, TaskPosted):
        if state.posted is not None or not event.terms.edge_servers:
            return None
        return replace(state, posted=event, acting=event.terms.edge_servers[0])
    if state.posted is None:
        return None
    match event:
        case Enrolled():
            return replace(state, enrolled={**state.enrolled, event.client: event})
        case EnrolmentFull():
            return replace(state, full=event)
        case Left():
            return replace(state, left={**state.left, event.client: len(state.rounds)})
        case RosterPosted():
            return _post_roster(state, event)
        case TakenOver():
            return replace(state, acting=event.edge_server, taken_over=event)
        case BondForfeited():
            return replace(state, dismissed=state.dismissed | {event.holder})
        case Claimed():
            return replace(state, claims={**state.claims, event.client: event})
        case Compensated():
            return _compensate(state, event)
        case CohortDrawn():
            return replace(state, drawn=event) if _comes(state, event.round) and state.drawn is None else None
        case DrawLapsed():
            lapses = _comes(state, event.round) and state.drawn is not None
            return replace(state, drawn=None, lapsed=state.lapsed + 1) if lapses else None
        case Refunded():
            return replace(state, refunded=state.refunded + event.amount)
        case Credited(holder=holder, amount=amount):
            return replace(state, credits={**state.credits, holder: state.credits.get(holder, 0) + amount})
        case Withdrawn(holder=holder, amount=amount):
            return replace(state, credits={**state.credits, holder: state.credits.get(holder, 0) - amount})
        case RoundOpened():
            if not _comes(state, event.round) or state.acting is None:
                return None
            return replace(state, rounds=(*state.rounds, RoundFacts(event, state.acting)), drawn=None)
    number = getattr(event, "round", None)
    if number is None:
        return state  # of bonds and stakes, which say nothing of rounds
    facts = state.round(number)
    changed = None if facts is None else _in_round(facts, event, state.acting)
    if changed is None:
        return None
    return replace(state, rounds=(*state.rounds[: number - 1], changed, *state.rounds[number:]))


def _compensate(state: TaskState, event: Compensated) -> TaskState | None:
    facts, key = state.round(event.round), (event.round, event.client)
    if facts is None or not facts.compensates or key in state.compensated:
        return None
    return replace(state, compensated={**state.compensated, key: event})


def _comes(state: TaskState, number: int) -> bool:
    """It is the round to open next."""
    return number == len(state.rounds) + 1 and state.current is None


def _post_roster(state: TaskState, event: RosterPosted) -> TaskState | None:
    assert state.posted is not None  # no event comes before
    terms, known = state.posted.terms, state.rosters.get(event.window, {})
    late = event.window * terms.roster_rounds != len(state.rounds)
    if late or event.authority in known or event.authority not in terms.authorities:
        return None
    return replace(state, rosters={**state.rosters, event.window: {**known, event.authority: event}})


def _in_round(facts: RoundFacts, event: Event, acting: Address | None) -> RoundFacts | None:
    if isinstance(event, RoundFrozen):
        expired = isinstance(facts.ended, RoundExpired)
        return None if facts.frozen or expired else replace(facts, frozen=event)
    if not facts.running:
        return None
    match event:
        case BatchCommitted() if facts.batched is None and facts.commits:
            return replace(facts, batched=event)
        case DirectCommitted() if facts.commits and event.client not in facts.directs:
            return replace(facts, directs={**facts.directs, event.client: event})
        case ScreeningRequested() if facts.commits:
            return replace(facts, screening=event, screening_by=acting)
        case KeyRequested() if facts.requested is None:
            return replace(facts, requested=event, requested_by=acting)
        case RoundPublished() if facts.requested is not None:
            return replace(facts, ended=event, ended_by=acting)
        case RoundAbandoned() if facts.requested is None:
            return replace(facts, ended=event, ended_by=acting)
        case RoundExpired():
            return replace(facts, ended=event, ended_by=acting)
    return None
