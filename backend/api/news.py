"""What to tell a reader of a task's events next: what the chain added since, or that it took something back."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from pydantic import Field

from backend.api.fields import HexDigest, Number, Shown
from protocol.identifiers import to_hex
from protocol.messages.chain import Event, TaskPosted

_AMOUNTS: Final = frozenset({"allocated", "amount", "cumulative", "escrow", "share"})
_PLACE: Final = frozenset({field.name for field in fields(Event)} | {"task", "terms"})
_ID: Final = re.compile("([0-9]{1,18})-([0-9]{1,18})-[0-9a-f]{16}")
_CAPITAL: Final = re.compile("(?<!^)(?=[A-Z])")


class TaskEvent(Shown):
    """One event of the ledger. `facts` are its own fields, by name: amounts are decimal strings, bytes are hex."""

    task: int = Field(ge=1, examples=[1])
    kind: str = Field(pattern="^[a-z_]+$", examples=["round_published"])
    block: Number
    log_index: Number
    transaction: HexDigest
    facts: dict[str, str | int | bool] = Field(examples=[{"round": 2, "correct": 27, "examples": 32}])


class Reorganised(Shown):
    """The chain took events of this block, and all later ones, back. What it has instead follows."""

    task: int | None = Field(ge=1, description="null: of all tasks", examples=[1])
    block: Number


class TaskCount(Shown):
    """How many tasks name this server."""

    tasks: Number


@dataclass(frozen=True, slots=True)
class News:
    """``event``: its name on the stream; ``id``: of the last event of the chain that the reader has then."""

    event: str
    id: str
    data: Shown


def event_id(event: Event) -> str:
    """Where it stands and in which transaction: the same event on another branch of the chain has another one."""
    return f"{event.block}-{event.log_index}-{event.transaction[:8].hex()}"


def last_id(events: tuple[Event, ...]) -> str:
    return event_id(events[-1]) if events else "0"


def known_to(last: str, events: tuple[Event, ...]) -> tuple[Event, ...] | None:
    """The events up to the one with this id, which a reader names that comes back; None when there is none (now).

    ``events`` are in the order of the chain."""
    if last == "0":
        return ()
    found = _ID.fullmatch(last)
    if found is None:
        return None
    here = bisect_right(events, (int(found[1]), int(found[2])), key=lambda event: (event.block, event.log_index))
    return events[:here] if here and event_id(events[here - 1]) == last else None


def news_since(task: int | None, known: tuple[Event, ...] | None, events: tuple[Event, ...]) -> Iterator[News]:
    """``known``: what the reader has; None: something that is no part of the chain any more. ``task``: None of all."""
    shared = _shared(known or (), events)
    if known is None or shared < len(known):
        block = known[shared].block if known else 0
        yield News("reorganised", last_id(events[:shared]), Reorganised(task=task, block=block))
    for event in events[shared:]:
        yield News(kind_of(event), event_id(event), shown_event(event))


def kind_of(event: Event) -> str:
    return _CAPITAL.sub("_", type(event).__name__).lower()


def task_of(event: Event) -> int:
    """Every event that a task has names it."""
    return int(getattr(event, "task", 0))


def shown_event(event: Event) -> TaskEvent:
    return TaskEvent(
        task=task_of(event),
        kind=kind_of(event),
        block=event.block,
        log_index=event.log_index,
        transaction=to_hex(event.transaction),
        facts=_facts(event),
    )


def _facts(event: Event) -> dict[str, str | int | bool]:
    """The posted terms are left out: the spec has them."""
    found: dict[str, str | int | bool] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name not in _PLACE:
            found[field.name] = (
                to_hex(value) if isinstance(value, bytes) else str(value) if field.name in _AMOUNTS else value
            )
    if isinstance(event, TaskPosted):
        found["spec"] = to_hex(event.terms.spec)
    return found


def _shared(known: tuple[Event, ...], events: tuple[Event, ...]) -> int:
    """How many events both begin with."""
    if known == events[: len(known)]:
        return len(known)
    return next(place for place, event in enumerate(known) if place == len(events) or event != events[place])
