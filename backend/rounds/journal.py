"""What the edge server must remember across a kill because neither chain nor content store tells it again.

Its word is among it: what it has signed of a round it never signs otherwise, whatever the chain has become since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, get_args

from protocol.canonical import decode, encode
from protocol.identifiers import ZERO_DIGEST, Address, Count, Digest, Label, Range, Word
from protocol.messages.keys import SignedWindowKey, WindowKeyStatement
from protocol.messages.settlement import Verdict
from protocol.messages.submission import Submission
from protocol.round.windows import AHEAD
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

MAX_VERDICT_BYTES = 8 * 1024 * 1024

Clients = Annotated[tuple[Address, ...], Range(0, 10_000)]


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
class RoundDone:
    """The round's submissions are on chain or void."""

    task: Word
    round: Count


@dataclass(frozen=True, slots=True)
class WindowKeyKept:
    """Verified: what clients seal an authority's shares to in a window of rounds."""

    key: SignedWindowKey


EdgeEntry = Stated | SubmissionKept | BatchClosed | WordKept | VerdictKept | RoundDone | WindowKeyKept


@dataclass(frozen=True, slots=True)
class RoundRecords:
    stated: Stated | None = None  # the only label, and the only model, that this server ever signs of the round
    submissions: Mapping[Address, Submission] = field(default_factory=dict)
    closed: bool = False
    has_verdict: bool = False

    def promised(self, label: Label) -> Mapping[Address, Submission]:
        """The submissions under this label. Of a round that the chain took back, and has under another one, none."""
        return self.submissions if self.stated is not None and self.stated.label == label else {}


@dataclass(frozen=True, slots=True)
class TaskRecords:
    rounds: Mapping[int, RoundRecords] = field(default_factory=dict)
    holders: Mapping[Address, frozenset[Address]] = field(default_factory=dict)  # by client: who holds its shares
    refused: frozenset[Address] = frozenset()
    keys: Mapping[int, Mapping[Address, SignedWindowKey]] = field(default_factory=dict)  # by window and authority

    def keyed(self, members: int) -> frozenset[int]:
        """Windows with a key of each of so many authorities."""
        return frozenset(window for window, keys in self.keys.items() if len(keys) == members)

    def round(self, number: int) -> RoundRecords:
        return self.rounds.get(number, RoundRecords())


EdgeState = Mapping[int, TaskRecords]  # by task


def apply(state: EdgeState, entry: EdgeEntry) -> EdgeState:
    if isinstance(entry, WindowKeyKept):
        task = entry.key.statement.task
        return {**state, task: _with_key(_of(state, task), entry.key)}
    return {**state, entry.task: _with(_of(state, entry.task), entry)}


def _of(state: EdgeState, task: int) -> TaskRecords:
    return state.get(task, TaskRecords())


def _has_key(state: EdgeState, said: WindowKeyStatement) -> bool:
    return said.authority in _of(state, said.task).keys.get(said.window, {})


def _with_key(task: TaskRecords, key: SignedWindowKey) -> TaskRecords:
    """Of the windows that phones may seal to when a key of this one is made."""
    window, authority = key.statement.window, key.statement.authority
    near = {number: keys for number, keys in task.keys.items() if number >= window - AHEAD}
    return replace(task, keys={**near, window: {**near.get(window, {}), authority: key}})


def _with(
    task: TaskRecords, entry: Stated | SubmissionKept | BatchClosed | WordKept | VerdictKept | RoundDone
) -> TaskRecords:
    if isinstance(entry, WordKept):
        held = {client: task.holders.get(client, frozenset()) | {entry.authority} for client in entry.accepted}
        return replace(task, holders={**task.holders, **held}, refused=task.refused.union(entry.refused))
    number, known = entry.round, task.round(entry.round)
    match entry:
        case Stated():
            known = replace(known, stated=entry)
        case SubmissionKept(submission=sent):
            known = replace(known, submissions={**known.submissions, sent.client: sent})
        case BatchClosed():
            known = replace(known, closed=True)
        case VerdictKept():
            known = replace(known, has_verdict=True)
        case RoundDone():
            known = replace(known, submissions={}, closed=True)
    return replace(task, rounds={**task.rounds, number: known})


class EdgeJournal:
    """Submissions before they are in a batch, word of key authorities, verdicts. May be shared by threads."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._folded: Folded[EdgeState, EdgeEntry] = Folded(records, get_args(EdgeEntry), {}, apply)

    def close(self) -> None:
        self._records.close()

    def task(self, task: int) -> TaskRecords:
        """Everything that is kept of a task now."""
        return _of(self._folded.state, task)

    def state_round(self, task: int, round_number: int, label: Label, model: Digest = ZERO_DIGEST) -> bool:
        """True once it is durable that this, and nothing that contradicts it, is signed of the round.

        False when something else was, perhaps on a branch of the chain that is no more.
        """

        def change(state: EdgeState) -> Change:
            stated = _of(state, task).round(round_number).stated
            new = stated is None or (stated.label == label and stated.model == ZERO_DIGEST != model)
            return Change((Stated(task, round_number, label, model),)) if new else NOTHING

        stated = _of(self._folded.change(change), task).round(round_number).stated
        assert stated is not None  # it has just been, or before
        return stated.label == label and model in (ZERO_DIGEST, stated.model)

    def submissions(self, task: int, round_number: int) -> Mapping[Address, Submission]:
        """By client."""
        return self._round(task, round_number).submissions

    def keep_submission(self, task: int, round_number: int, submission: Submission) -> Submission | None:
        """The client's submission that is durable now, perhaps another one; None when the round's batch is closed."""

        def change(state: EdgeState) -> Change:
            known = _of(state, task).round(round_number)
            if known.closed or submission.client in known.submissions:
                return NOTHING
            return Change((SubmissionKept(task, round_number, submission),))

        state = self._folded.change(change)
        return _of(state, task).round(round_number).submissions.get(submission.client)

    def close_batch(self, task: int, round_number: int, label: Label) -> Mapping[Address, Submission]:
        """What goes into the batch under this label, by client; from now on nothing else can, whatever happens."""
        closed = Change((BatchClosed(task, round_number),))
        state = self._folded.change(lambda state: NOTHING if _of(state, task).round(round_number).closed else closed)
        return _of(state, task).round(round_number).promised(label)

    def round_done(self, task: int, round_number: int) -> None:
        """The round is over: its submissions are forgotten, and none is taken any more."""

        def change(state: EdgeState) -> Change:
            known = _of(state, task).round(round_number)
            return NOTHING if known.closed and not known.submissions else Change((RoundDone(task, round_number),))

        self._folded.change(change)

    def keep_word(self, task: int, authority: Address, accepted: Iterable[Address], refused: Iterable[Address]) -> None:
        """What an authority said of clients' envelopes."""
        said_yes, said_no = frozenset(accepted), frozenset(refused)

        def change(state: EdgeState) -> Change:
            known = _of(state, task)
            held = {client for client, authorities in known.holders.items() if authority in authorities}
            new = (tuple(sorted(said_yes - held)), tuple(sorted(said_no - known.refused)))
            return Change((WordKept(task, authority, *new),)) if any(new) else NOTHING

        self._folded.change(change)

    def keep_window_keys(self, keys: Iterable[SignedWindowKey]) -> None:
        """Verified; the first one of an authority and window stays, so that all clients seal to the same."""

        def change(state: EdgeState) -> Change:
            new = [key for key in keys if not _has_key(state, key.statement)]
            return Change(tuple(map(WindowKeyKept, new))) if new else NOTHING

        self._folded.change(change)

    def verdict(self, task: int, round_number: int) -> Verdict | None:
        """The verdict already taken; the accepted set must not change once this server requested its key."""
        return self._verdict(task, round_number) if self._round(task, round_number).has_verdict else None

    def keep_verdict(
        self, task: int, round_number: int, verdict: Verdict, instead_of: Verdict | None = None
    ) -> Verdict | None:
        """The verdict that stands then: the first one of a round, unless that is ``instead_of``.

        One is replaced before its key is requested, when the chain took a commitment back, or by the accepted set whose
        key another server requested.
        """
        kept = Change((VerdictKept(task, round_number),), {_verdict_blob(task, round_number): encode(verdict)})

        def change(state: EdgeState) -> Change:
            has_verdict = _of(state, task).round(round_number).has_verdict
            if has_verdict and (instead_of is None or self._verdict(task, round_number) != instead_of):
                return NOTHING
            return kept

        self._folded.change(change)
        return self.verdict(task, round_number)

    def _verdict(self, task: int, round_number: int) -> Verdict:
        name = _verdict_blob(task, round_number)
        return decode(Verdict, self._records.blob(name, MAX_VERDICT_BYTES), MAX_VERDICT_BYTES)

    def _round(self, task: int, round_number: int) -> RoundRecords:
        return self.task(task).round(round_number)


def _verdict_blob(task: int, round_number: int) -> str:
    return f"verdict-{task}-{round_number}.json"
