"""What an authority's records say: typed entries, and the state of each task that they fold to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from protocol.identifiers import Address, Count, Digest, Label, Range, Word
from protocol.messages.learning import ShortText
from protocol.messages.screening_terms import MAX_SCREENED


@dataclass(frozen=True, slots=True)
class TaskKept:
    task: Word
    spec: Digest


@dataclass(frozen=True, slots=True)
class ShareKept:
    """One client's share as of ``epoch``, in a blob of its own until the keys of the task move on."""

    task: Word
    client: Address
    envelope: Digest
    epoch: Count


@dataclass(frozen=True, slots=True)
class Sighted:
    """The first request of this kind that this authority saw under the label on its chain, and so the only one."""

    task: Word
    label: Label
    kind: ShortText
    request: Digest


@dataclass(frozen=True, slots=True)
class EnvelopeRefused:
    """What stands on chain for this client is no envelope, or not one for this authority."""

    task: Word
    client: Address
    envelope: Digest


@dataclass(frozen=True, slots=True)
class Answered:
    """The label is used up for this kind of opening: by this request, with the answer in a blob."""

    task: Word
    round: Count
    label: Label
    kind: ShortText
    request: Digest


@dataclass(frozen=True, slots=True)
class KeysMoved:
    """All shares of the task are as of ``epoch`` now, in one blob; what came before is erased."""

    task: Word
    epoch: Count


@dataclass(frozen=True, slots=True)
class WindowKeyMade:
    """The private key to which shares are sealed in this window of rounds, in a blob."""

    task: Word
    window: Count


@dataclass(frozen=True, slots=True)
class WindowsErased:
    """The keys of all windows before ``first`` are erased, and none is made any more."""

    task: Word
    first: Count


@dataclass(frozen=True, slots=True)
class RostersKept:
    """Every roster of the task is kept before it is posted; older versions kept none."""

    task: Word


@dataclass(frozen=True, slots=True)
class RosterKept:
    """About to be posted for this window."""

    task: Word
    window: Count


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An older copy of the records was put back: something may have been signed of the rounds up to this one, and keys
    made for the windows before ``first``, that is not in them. ``rosters``: windows for which one is on chain."""

    task: Word
    round: Count
    first: Count
    rosters: Annotated[tuple[Count, ...], Range(0, 100_000)]


@dataclass(frozen=True, slots=True)
class HistorySettled:
    """What the openings of a round say is in the histories: the updates of ``added``, in blobs by client and half
    window. Those of ``dropped`` cannot be had, so that their running halves are erased. ``opened``: there is a verdict,
    in a blob. Halves before the last one are erased."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    half: Count
    added: Annotated[tuple[Address, ...], Range(0, MAX_SCREENED)]
    dropped: Annotated[tuple[Address, ...], Range(0, MAX_SCREENED)]
    opened: bool


@dataclass(frozen=True, slots=True)
class HistoryForgotten:
    """All that was held of the client's history is erased."""

    task: Word
    client: Address


AuthorityEntry = (
    TaskKept | ShareKept | EnvelopeRefused | Sighted | Answered | KeysMoved | WindowKeyMade | WindowsErased
    | RostersKept | RosterKept | Forgotten | HistorySettled | HistoryForgotten
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TaskRecords:
    spec: Digest | None = None
    epoch: int = 0  # the earliest whose keys are still here: 0 as enrolled
    envelopes: Mapping[Address, Digest] = field(default_factory=dict)  # of all clients whose share is held
    refused: Mapping[Address, Digest] = field(default_factory=dict)
    late: Mapping[Address, int] = field(default_factory=dict)  # epoch of every share in a blob of its own
    sighted: Mapping[tuple[Label, str], Digest] = field(default_factory=dict)  # request by label and kind
    answered: Mapping[tuple[Label, str], Digest] = field(default_factory=dict)  # likewise: a part of the former
    issued: tuple[Answered, ...] = ()  # the same, in the order in which it was done
    windows: frozenset[int] = frozenset()  # whose keys are here
    first_window: int = 0  # the keys of those before are erased
    rosters: frozenset[int] | None = None  # windows for which one was posted, or was about to be, where that is kept
    forgotten: int = 0  # rounds up to this one: only what is here may be signed
    first_new: int = 0  # for windows before this one no key is made any more
    settled: int = 0  # the last round that is in the histories
    half: int = 0  # the window that it is in
    opened: frozenset[int] = frozenset()  # settled rounds with a verdict
    histories: Mapping[tuple[Address, int], int] = field(default_factory=dict)  # updates by client and half window


AuthorityState = Mapping[int, TaskRecords]  # by task


def apply(state: AuthorityState, entry: AuthorityEntry) -> AuthorityState:
    task = records_of(state, entry.task)
    match entry:
        case TaskKept(spec=spec):
            task = replace(task, spec=spec)
        case ShareKept(_, client, envelope, epoch):
            late, envelopes = {**task.late, client: epoch}, {**task.envelopes, client: envelope}
            task = replace(task, late=late, envelopes=envelopes)
        case Sighted(_, label, kind, request):
            task = replace(task, sighted={**task.sighted, (label, kind): request})
        case EnvelopeRefused(_, client, envelope):
            task = replace(task, refused={**task.refused, client: envelope})
        case Answered(_, _, label, kind, request):
            sighted, answered = ({**known, (label, kind): request} for known in (task.sighted, task.answered))
            task = replace(task, sighted=sighted, answered=answered, issued=(*task.issued, entry))
        case KeysMoved(epoch=epoch):
            task = replace(task, epoch=epoch, late={})
        case WindowKeyMade(window=window):
            task = replace(task, windows=task.windows | {window})
        case WindowsErased(first=first):
            task = replace(task, windows=frozenset(w for w in task.windows if w >= first), first_window=first)
        case RostersKept():
            task = replace(task, rosters=task.rosters or frozenset())
        case RosterKept(window=window):
            task = replace(task, rosters=(task.rosters or frozenset()) | {window})
        case Forgotten(_, number, first, posted):
            rosters = (task.rosters or frozenset()).union(posted)
            number, first = max(task.forgotten, number), max(task.first_new, first)
            task = replace(task, forgotten=number, first_new=first, rosters=rosters)
        case HistorySettled():
            task = _settle(task, entry)
        case HistoryForgotten(_, client):
            kept = {place: count for place, count in task.histories.items() if place[0] != client}
            task = replace(task, histories=kept)
    return {**state, entry.task: task}


def _settle(task: TaskRecords, entry: HistorySettled) -> TaskRecords:
    over, half = {(client, entry.half) for client in entry.dropped}, entry.half
    kept = {place: count for place, count in task.histories.items() if place[1] >= half - 1 and place not in over}
    added = {(client, half): kept.get((client, half), 0) + 1 for client in entry.added}
    opened = task.opened | {entry.round} if entry.opened else task.opened
    return replace(task, settled=entry.round, half=half, opened=opened, histories={**kept, **added})


def records_of(state: AuthorityState, task: int) -> TaskRecords:
    return state.get(task, TaskRecords())
