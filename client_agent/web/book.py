"""What a household's page must remember across a kill: which tasks it looks after, what it told, and who may open it.

It is beside the records of each task's phone, and holds no key of any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Final, get_args

from protocol.identifiers import Count, Digest, Range, Word
from protocol.invitation import MAX_CHARACTERS, Invitation, parse_invitation
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

InvitationText = Annotated[str, Range(1, MAX_CHARACTERS)]
FileName = Annotated[str, Range(1, 4096)]
Kind = Annotated[str, Range(1, 20)]
MAX_SHOWN: Final = 100  # notices on the page


class News(StrEnum):
    """What a household is told of. The words for it are in the page's language."""

    OFFER = "offer"  # an open task that it qualifies for
    ASKED = "asked"  # a task waits for the owner's answer
    ENROLLED = "enrolled"
    JOINED = "joined"  # an update of round ``number`` was sealed
    PAID = "paid"  # ``amount`` in all
    BUDGET = "budget"  # ``number`` percent of what all tasks may cost are spent
    TROUBLE = "trouble"
    LEFT = "left"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class TaskTaken:
    """The phone of this task works from here on: it looks at the task and asks its owner. ``data``: a file."""

    invitation: InvitationText
    data: FileName


@dataclass(frozen=True, slots=True)
class TaskPaused:
    """``paused``: 1, or 0 from when it goes on."""

    task: Word
    paused: Annotated[int, Range(0, 1)]


@dataclass(frozen=True, slots=True)
class TaskLeaving:
    """The owner wants to leave; ``left``: 1 once the chain knows it."""

    task: Word
    left: Annotated[int, Range(0, 1)]


@dataclass(frozen=True, slots=True)
class TaskDropped:
    """The owner said no, or does not want to see it any more."""

    task: Word


@dataclass(frozen=True, slots=True)
class Noticed:
    """One piece of news; the same one is never told twice. ``at``: seconds of block time, 0 where it is not known."""

    kind: Kind
    task: Word
    number: Count = 0
    amount: Word = 0
    at: Word = 0


@dataclass(frozen=True, slots=True)
class NoticesRead:
    """All up to this many."""

    count: Count


@dataclass(frozen=True, slots=True)
class DevicePaired:
    """A browser that may open the page: the digest of its secret."""

    secret: Digest


@dataclass(frozen=True, slots=True)
class DevicesDropped:
    """No browser may, until it is paired again."""


HomeEntry = TaskTaken | TaskPaused | TaskLeaving | TaskDropped | Noticed | NoticesRead | DevicePaired | DevicesDropped


@dataclass(frozen=True, slots=True)
class KeptTask:
    invitation: Invitation
    data: str
    paused: bool = False
    leaving: bool = False
    left: bool = False


@dataclass(frozen=True, slots=True)
class HomeState:
    """``tasks`` by number: a household's page is of one ledger."""

    tasks: Mapping[int, KeptTask] = field(default_factory=dict)
    notices: tuple[Noticed, ...] = ()
    read: int = 0
    devices: frozenset[Digest] = frozenset()

    @property
    def unread(self) -> int:
        return len(self.notices) - self.read

    def knows(self, notice: Noticed) -> bool:
        """Whenever it was."""
        return any(replace(one, at=notice.at) == notice for one in self.notices)


def apply(state: HomeState, entry: HomeEntry) -> HomeState:
    match entry:
        case TaskTaken(text, data):
            invitation = parse_invitation(text)
            return replace(state, tasks={**state.tasks, invitation.task: KeptTask(invitation, data)})
        case TaskPaused(task, paused):
            return _with(state, task, paused=bool(paused))
        case TaskLeaving(task, left):
            return _with(state, task, leaving=not left, left=bool(left))
        case TaskDropped(task):
            return replace(state, tasks={number: kept for number, kept in state.tasks.items() if number != task})
        case Noticed():
            return replace(state, notices=(*state.notices, entry))
        case NoticesRead(count):
            return replace(state, read=count)
        case DevicePaired(secret):
            return replace(state, devices=state.devices | {secret})
        case DevicesDropped():
            return replace(state, devices=frozenset())


def _with(state: HomeState, task: int, **changed: Any) -> HomeState:
    kept = state.tasks.get(task)
    return state if kept is None else replace(state, tasks={**state.tasks, task: replace(kept, **changed)})


class HomeBook:
    """The records of one household's page. For threads."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._folded: Folded[HomeState, HomeEntry] = Folded(records, get_args(HomeEntry), HomeState(), apply)

    @property
    def state(self) -> HomeState:
        return self._folded.state

    def close(self) -> None:
        self._records.close()

    def take(self, invitation: Invitation, data: str) -> None:
        """Unless it is there already, with the same invitation and data."""
        taken = TaskTaken(str(invitation), data)
        self._change(lambda state: state.tasks.get(invitation.task) != KeptTask(invitation, data), taken)

    def pause(self, task: int, paused: bool) -> None:
        self._change(
            lambda state: task in state.tasks and state.tasks[task].paused != paused, TaskPaused(task, paused + 0)
        )

    def leave(self, task: int, *, left: bool) -> None:
        self._change(lambda state: task in state.tasks and not state.tasks[task].left, TaskLeaving(task, left + 0))

    def drop(self, task: int) -> None:
        self._change(lambda state: task in state.tasks, TaskDropped(task))

    def notice(self, notice: Noticed) -> bool:
        """False for one that was told before."""
        before = len(self.state.notices)
        return len(self._change(lambda state: not state.knows(notice), notice).notices) > before

    def read_notices(self, count: int) -> None:
        """Up to this many; fewer than before, or more than there are, change nothing."""
        self._change(lambda state: state.read < count <= len(state.notices), NoticesRead(count))

    def pair(self, secret: Digest) -> None:
        self._change(lambda state: secret not in state.devices, DevicePaired(secret))

    def drop_devices(self) -> None:
        self._change(lambda state: bool(state.devices), DevicesDropped())

    def _change(self, wanted: Callable[[HomeState], bool], entry: HomeEntry) -> HomeState:
        return self._folded.change(lambda state: Change((entry,)) if wanted(state) else NOTHING)
