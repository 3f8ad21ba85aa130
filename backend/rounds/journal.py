"""What the edge server must remember across a kill because neither chain nor content store tells it again.

Its word is among it: what it has signed of a round it never signs otherwise, whatever the chain has become since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from backend.rounds.entries import (
    BatchClosed,
    CohortEndorsed,
    EdgeEntry,
    EdgeState,
    Forgotten,
    GramKept,
    Opening,
    RoundDone,
    RoundRecords,
    Stated,
    SubmissionKept,
    TaskRecords,
    VerdictKept,
    WindowKeyKept,
    WordKept,
    apply,
    has_key,
    kept_of,
)
from protocol.canonical import decode, encode
from protocol.identifiers import ZERO_DIGEST, Address, Digest, Label
from protocol.messages.keys import SignedWindowKey
from protocol.messages.round import SignedEndorsement
from protocol.messages.screening import MAX_GRAM_REQUEST_BYTES, GramRequest
from protocol.messages.settlement import Verdict
from protocol.messages.submission import Submission
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records

AT_ONCE: Final = 10_000  # clients in one change, which has a limit of its bytes
MAX_VERDICT_BYTES = 8 * 1024 * 1024


class EdgeJournal:
    """Submissions before they are in a batch, word of key authorities, verdicts. May be shared by threads."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._folded: Folded[EdgeState, EdgeEntry] = Folded(records, get_args(EdgeEntry), {}, apply)

    def close(self) -> None:
        self._records.close()

    def task(self, task: int) -> TaskRecords:
        """Everything that is kept of a task now."""
        return kept_of(self._folded.state, task)

    def state_round(self, task: int, round_number: int, label: Label, model: Digest = ZERO_DIGEST) -> bool:
        """True once it is durable that this, and nothing that contradicts it, is signed of the round.

        False when something else was, perhaps on a branch of the chain that is no more, or may have been.
        """

        def change(state: EdgeState) -> Change:
            known = kept_of(state, task)
            stated = known.round(round_number).stated
            new = stated is None or (stated.label == label and stated.model == ZERO_DIGEST != model)
            may = new and round_number > known.forgotten
            return Change((Stated(task, round_number, label, model),)) if may else NOTHING

        stated = kept_of(self._folded.change(change), task).round(round_number).stated
        return stated is not None and stated.label == label and model in (ZERO_DIGEST, stated.model)

    def keep_opening(self, task: int, round_number: int) -> None:
        """Before the round is sent: one that the chain has without it was forgotten."""
        kept = Change((Opening(task, round_number),))
        self._folded.change(lambda state: NOTHING if kept_of(state, task).round(round_number).opening else kept)

    def forget(self, task: int, round_number: int) -> None:
        """Of the rounds up to this one nothing is signed any more but what is here."""
        kept = Change((Forgotten(task, round_number),))
        self._folded.change(lambda state: NOTHING if kept_of(state, task).forgotten >= round_number else kept)

    def submissions(self, task: int, round_number: int) -> Mapping[Address, Submission]:
        """By client."""
        return self._round(task, round_number).submissions

    def keep_submissions(
        self, task: int, round_number: int, label: Label, submissions: Iterable[Submission], closing: bool = False
    ) -> RoundRecords:
        """Together, as far as the round's batch is open and this server's word is for this label. What is kept of the
        round then is durable: of each client the first one. ``closing``: no more are taken, from now on."""
        offered: dict[Address, Submission] = {}
        for submission in submissions:
            offered.setdefault(submission.client, submission)

        def change(state: EdgeState) -> Change:
            kept = kept_of(state, task)
            known, is_lost = kept.round(round_number), round_number <= kept.forgotten
            entries: list[EdgeEntry] = (
                [] if known.stated or is_lost else [Stated(task, round_number, label, ZERO_DIGEST)]
            )
            if closing and not known.closed:
                entries.append(BatchClosed(task, round_number))
            elif not known.closed and not is_lost and (known.stated is None or known.stated.label == label):
                new = [sent for client, sent in offered.items() if client not in known.submissions]
                entries += [SubmissionKept(task, round_number, sent) for sent in new]
            return Change(tuple(entries)) if entries else NOTHING

        return kept_of(self._folded.change(change), task).round(round_number)

    def keep_endorsements(self, task: int, round_number: int, said: tuple[SignedEndorsement, ...]) -> None:
        """Verified, and enough. For the other processes of this server: they ask no authority."""
        kept = Change((CohortEndorsed(task, round_number, said),))
        self._folded.change(
            lambda state: NOTHING if kept_of(state, task).round(round_number).endorsements == said else kept
        )

    def close_batch(self, task: int, round_number: int, label: Label) -> Mapping[Address, Submission]:
        """What goes into the batch under this label, by client; from now on nothing else can, whatever happens."""
        closed = Change((BatchClosed(task, round_number),))
        state = self._folded.change(
            lambda state: NOTHING if kept_of(state, task).round(round_number).closed else closed
        )
        return kept_of(state, task).round(round_number).promised(label)

    def round_done(self, task: int, round_number: int) -> None:
        """The round is over: its submissions are forgotten, and none is taken any more."""

        def change(state: EdgeState) -> Change:
            known = kept_of(state, task).round(round_number)
            is_done = known.closed and not known.submissions and not known.endorsements
            return NOTHING if is_done else Change((RoundDone(task, round_number),))

        self._folded.change(change)

    def keep_word(self, task: int, authority: Address, accepted: Iterable[Address], refused: Iterable[Address]) -> None:
        """What an authority said of clients' envelopes."""
        said_yes, said_no = frozenset(accepted), frozenset(refused)

        def change(state: EdgeState) -> Change:
            known = kept_of(state, task)
            held = {client for client, authorities in known.holders.items() if authority in authorities}
            new = (tuple(sorted(said_yes - held)[:AT_ONCE]), tuple(sorted(said_no - known.refused)[:AT_ONCE]))
            return Change((WordKept(task, authority, *new),)) if any(new) else NOTHING

        for _ in range(0, max(len(said_yes), len(said_no)), AT_ONCE):
            self._folded.change(change)

    def keep_window_keys(self, keys: Iterable[SignedWindowKey]) -> None:
        """Verified; the first one of an authority and window stays, so that all clients seal to the same."""

        def change(state: EdgeState) -> Change:
            new = [key for key in keys if not has_key(state, key.statement)]
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
            has_verdict = kept_of(state, task).round(round_number).has_verdict
            if has_verdict and (instead_of is None or self._verdict(task, round_number) != instead_of):
                return NOTHING
            return kept

        self._folded.change(change)
        return self.verdict(task, round_number)

    def keep_gram(self, task: int, round_number: int, request: GramRequest) -> None:
        """Before it is on chain: the last one of a round, which is the only one that can have got there."""
        if self.gram(task, round_number) != request:
            kept = Change((GramKept(task, round_number),), {_gram_blob(task, round_number): encode(request)})
            self._folded.change(lambda _: kept)

    def gram(self, task: int, round_number: int) -> GramRequest | None:
        """The request for the round's openings that this server made last."""
        if not self._round(task, round_number).has_gram:
            return None
        kept = self._records.blob(_gram_blob(task, round_number), MAX_GRAM_REQUEST_BYTES)
        return decode(GramRequest, kept, MAX_GRAM_REQUEST_BYTES)

    def _verdict(self, task: int, round_number: int) -> Verdict:
        name = _verdict_blob(task, round_number)
        return decode(Verdict, self._records.blob(name, MAX_VERDICT_BYTES), MAX_VERDICT_BYTES)

    def _round(self, task: int, round_number: int) -> RoundRecords:
        return self.task(task).round(round_number)


def _verdict_blob(task: int, round_number: int) -> str:
    return f"verdict-{task}-{round_number}.json"


def _gram_blob(task: int, round_number: int) -> str:
    return f"gram-{task}-{round_number}.json"
