"""What an edge server's records say: typed entries, and the state of each task that they fold to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from protocol.identifiers import Address, Count, Digest, Label, Range, Word
from protocol.messages.keys import SignedWindowKey, WindowKeyStatement
from protocol.messages.round import SignedEndorsement
from protocol.messages.submission import Submission
from protocol.messages.task import MAX_CLIENTS
from protocol.round.windows import AHEAD
from storage.records.growing import Growing

Clients = Annotated[tuple[Address, ...], Range(0, MAX_CLIENTS)]


@dataclass(frozen=True, slots=True)
class Stated:
    """About to be signed of a round: its label, and its model, which is zero before there is one."""

    task: Word
    round: Count
    label: Label
    model: Digest


@dataclass(frozen=True, slots=True)
class SubmissionKept:
    """A phone's submission, with the server's receipt or about to get it."""

    task: Word
    round: Count
    submission: Submission


@dataclass(frozen=True, slots=True)
class CohortEndorsed:
    """Verified: the word of a quorum of authorities on the round's cohort."""

    task: Word
    round: Count
    endorsements: Annotated[tuple[SignedEndorsement, ...], Range(1, 16)]  # ascending by position in the committee


@dataclass(frozen=True, slots=True)
class BatchClosed:
    """The batch holds what was kept before; nothing else can come in."""

    task: Word
    round: Count


@dataclass(frozen=True, slots=True)
class WordKept:
    """What an authority said of clients' envelopes."""

    task: Word
    authority: Address
    accepted: Clients
    refused: Clients


@dataclass(frozen=True, slots=True)
class VerdictKept:
    task: Word
    round: Count


@dataclass(frozen=True, slots=True)
class GramKept:
    """The request for the round's openings, about to be put on chain."""

    task: Word
    round: Count


@dataclass(frozen=True, slots=True)
class RoundDone:
    """The round's submissions are on chain or void."""

    task: Word
    round: Count


@dataclass(frozen=True, slots=True)
class WindowKeyKept:
    """Verified: what clients seal an authority's shares to in a window of rounds."""

    key: SignedWindowKey


@dataclass(frozen=True, slots=True)
class Opening:
    """About to be opened by this server."""

    task: Word
    round: Count


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An older copy of the records was put back: something may have been signed of the rounds up to this one that is
    not in them."""

    task: Word
    round: Count


OfRound = Stated | SubmissionKept | CohortEndorsed | BatchClosed | VerdictKept | GramKept | RoundDone | Opening
EdgeEntry = OfRound | WordKept | WindowKeyKept | Forgotten


@dataclass(frozen=True, slots=True)
class RoundRecords:
    stated: Stated | None = None  # the only label, and the only model, that this server ever signs of the round
    submissions: Growing[Address, Submission] = field(default_factory=Growing)
    endorsements: tuple[SignedEndorsement, ...] = ()  # of the last label that enough were for
    closed: bool = False
    has_verdict: bool = False
    has_gram: bool = False  # a request for openings
    opening: bool = False

    @property
    def is_known(self) -> bool:
        """Something was done in it; openings were not kept by older versions."""
        return self != RoundRecords()

    def promised(self, label: Label) -> Mapping[Address, Submission]:
        """The submissions under this label. Of a round that the chain took back, and has under another one, none."""
        return self.submissions if self.stated is not None and self.stated.label == label else {}


@dataclass(frozen=True, slots=True)
class TaskRecords:
    rounds: Mapping[int, RoundRecords] = field(default_factory=dict)
    holders: Mapping[Address, frozenset[Address]] = field(default_factory=dict)  # by client: who holds its shares
    refused: frozenset[Address] = frozenset()
    keys: Mapping[int, Mapping[Address, SignedWindowKey]] = field(default_factory=dict)  # by window and authority
    forgotten: int = 0  # rounds up to this one: only what is here may be signed

    def keyed(self, members: int) -> frozenset[int]:
        """Windows with a key of each of so many authorities."""
        return frozenset(window for window, keys in self.keys.items() if len(keys) == members)

    def round(self, number: int) -> RoundRecords:
        return self.rounds.get(number, RoundRecords())


EdgeState = Mapping[int, TaskRecords]  # by task


def apply(state: EdgeState, entry: EdgeEntry) -> EdgeState:
    if isinstance(entry, WindowKeyKept):
        task = entry.key.statement.task
        return {**state, task: _with_key(kept_of(state, task), entry.key)}
    return {**state, entry.task: _with(kept_of(state, entry.task), entry)}


def kept_of(state: EdgeState, task: int) -> TaskRecords:
    return state.get(task, TaskRecords())


def has_key(state: EdgeState, said: WindowKeyStatement) -> bool:
    return said.authority in kept_of(state, said.task).keys.get(said.window, {})


def _with_key(task: TaskRecords, key: SignedWindowKey) -> TaskRecords:
    """Of the windows that phones may seal to when a key of this one is made."""
    window, authority = key.statement.window, key.statement.authority
    near = {number: keys for number, keys in task.keys.items() if number >= window - AHEAD}
    return replace(task, keys={**near, window: {**near.get(window, {}), authority: key}})


def _with(task: TaskRecords, entry: OfRound | WordKept | Forgotten) -> TaskRecords:
    if isinstance(entry, WordKept):
        held = {client: task.holders.get(client, frozenset()) | {entry.authority} for client in entry.accepted}
        return replace(task, holders={**task.holders, **held}, refused=task.refused.union(entry.refused))
    if isinstance(entry, Forgotten):
        return replace(task, forgotten=max(task.forgotten, entry.round))
    number, known = entry.round, task.round(entry.round)
    match entry:
        case Opening():
            known = replace(known, opening=True)
        case Stated():
            known = replace(known, stated=entry)
        case SubmissionKept(submission=sent):
            known = replace(known, submissions=known.submissions.plus(sent.client, sent))
        case CohortEndorsed(endorsements=said):
            known = replace(known, endorsements=said)
        case BatchClosed():
            known = replace(known, closed=True)
        case VerdictKept():
            known = replace(known, has_verdict=True)
        case GramKept():
            known = replace(known, has_gram=True)
        case RoundDone():
            known = replace(known, submissions=Growing(), endorsements=(), closed=True)
    return replace(task, rounds={**task.rounds, number: known})
