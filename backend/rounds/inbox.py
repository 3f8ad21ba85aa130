"""What phones asked to be relayed, durable until it is done: enrolments, leaves, claims."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, TypeVar, get_args

from protocol.errors import HearthError
from protocol.identifiers import Address, Range, Word
from protocol.messages.submission import SignedEnrolment, SignedLeave
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

MAX_WAITING = 10_000

T = TypeVar("T")
Clients = Annotated[tuple[Address, ...], Range(0, MAX_WAITING)]


class InboxFullError(HearthError):
    """Too many requests of this kind wait in this task; the phone may ask again."""

    code = "E_STARTING"


@dataclass(frozen=True, slots=True)
class EnrolmentCame:
    enrolment: SignedEnrolment


@dataclass(frozen=True, slots=True)
class LeaveCame:
    leave: SignedLeave


@dataclass(frozen=True, slots=True)
class ClaimCame:
    """The client wants its rewards sent."""

    task: Word
    client: Address


@dataclass(frozen=True, slots=True)
class RequestsDone:
    """Relayed, or refused for good: what these clients asked for no longer waits."""

    task: Word
    enrolments: Clients
    leaves: Clients
    claims: Clients


InboxEntry = EnrolmentCame | LeaveCame | ClaimCame | RequestsDone


@dataclass(frozen=True, slots=True)
class Waiting:
    """One task's requests, by client; in each, the one that came first is the first."""

    enrolments: Mapping[Address, SignedEnrolment] = field(default_factory=dict)
    leaves: Mapping[Address, SignedLeave] = field(default_factory=dict)
    claims: Mapping[Address, ClaimCame] = field(default_factory=dict)


InboxState = Mapping[int, Waiting]  # by task; none that waits for nothing


def apply(state: InboxState, entry: InboxEntry) -> InboxState:
    match entry:
        case EnrolmentCame(signed):
            task, waiting = signed.enrolment.task, _of(state, signed.enrolment.task)
            waiting = replace(waiting, enrolments={**waiting.enrolments, signed.enrolment.client: signed})
        case LeaveCame(left):
            task, waiting = left.leave.task, _of(state, left.leave.task)
            waiting = replace(waiting, leaves={**waiting.leaves, left.leave.client: left})
        case ClaimCame(task, client):
            waiting = _of(state, task)
            waiting = replace(waiting, claims={**waiting.claims, client: entry})
        case RequestsDone(task, enrolments, leaves, claims):
            waiting = _of(state, task)
            waiting = Waiting(
                _without(waiting.enrolments, enrolments),
                _without(waiting.leaves, leaves),
                _without(waiting.claims, claims),
            )
    if waiting == Waiting():
        return {number: others for number, others in state.items() if number != task}
    return {**state, task: waiting}


def _of(state: InboxState, task: int) -> Waiting:
    return state.get(task, Waiting())


def _without(waiting: Mapping[Address, T], done: tuple[Address, ...]) -> Mapping[Address, T]:
    left = waiting.keys() - set(done)
    return {client: request for client, request in waiting.items() if client in left}


class Inbox:
    """All tasks of an edge server. Nothing is verified here. May be shared by threads.

    Of one client one request of each kind waits, the first; one that is done makes room for another.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._folded: Folded[InboxState, InboxEntry] = Folded(records, get_args(InboxEntry), {}, apply)

    def close(self) -> None:
        self._records.close()

    def tasks(self) -> list[int]:
        """Those in which something waits, ascending."""
        return sorted(self._folded.state)

    def waiting(self, task: int) -> Waiting:
        return _of(self._folded.state, task)

    def counts(self) -> dict[tuple[int, str], int]:
        """How many wait, by task and kind."""
        return {
            (task, kind): len(getattr(waiting, kind))
            for task, waiting in self._folded.state.items()
            for kind in ("enrolments", "leaves", "claims")
        }

    def enrol(self, signed: SignedEnrolment) -> None:
        """Raises InboxFullError."""
        client, task, came = signed.enrolment.client, signed.enrolment.task, EnrolmentCame(signed)
        self._folded.change(lambda state: _came(_of(state, task).enrolments, client, came))

    def leave(self, signed: SignedLeave) -> None:
        """Raises InboxFullError."""
        client, task, came = signed.leave.client, signed.leave.task, LeaveCame(signed)
        self._folded.change(lambda state: _came(_of(state, task).leaves, client, came))

    def claim(self, task: int, client: Address) -> None:
        """Raises InboxFullError."""
        came = ClaimCame(task, client)
        self._folded.change(lambda state: _came(_of(state, task).claims, client, came))

    def done(
        self,
        task: int,
        *,
        enrolments: Collection[Address] = (),
        leaves: Collection[Address] = (),
        claims: Collection[Address] = (),
    ) -> None:
        """What these clients asked for needs nothing more; whoever does not wait is passed over."""

        def change(state: InboxState) -> Change:
            waiting = _of(state, task)
            done = (
                tuple(sorted(waiting.enrolments.keys() & set(enrolments))),
                tuple(sorted(waiting.leaves.keys() & set(leaves))),
                tuple(sorted(waiting.claims.keys() & set(claims))),
            )
            return Change((RequestsDone(task, *done),)) if any(done) else NOTHING

        self._folded.change(change)


def _came(waiting: Mapping[Address, object], client: Address, entry: InboxEntry) -> Change:
    if client in waiting:
        return NOTHING
    if len(waiting) >= MAX_WAITING:
        raise InboxFullError("too many requests wait")
    return Change((entry,))
