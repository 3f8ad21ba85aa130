"""What an authority remembers across a kill: tasks, window keys, shares, sightings, the label log.

Everything is durable before anybody is answered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import get_args

from backend.key_authority.blobs import answer_blob, joined, share_blob, shares_blob, spec_blob, split, window_blob
from backend.key_authority.entries import (
    Answered,
    AuthorityEntry,
    AuthorityState,
    EnvelopeRefused,
    Forgotten,
    KeysMoved,
    RosterKept,
    RostersKept,
    ShareKept,
    Sighted,
    TaskKept,
    TaskRecords,
    WindowKeyMade,
    WindowsErased,
    apply,
    records_of,
)
from backend.key_authority.histories import HistoryRecords, Settling, unsettled
from protocol.canonical import decode
from protocol.encryption.committee import KEY_BYTES, Subset, ratchet
from protocol.errors import EncryptionError, Party
from protocol.identifiers import Address, Digest, Label, sha256, to_hex
from protocol.messages.task import TaskSpec
from storage.records.fold import Folded
from storage.records.interface import NOTHING, Change, Records, RecordsError

_ADDRESS_BYTES = 20

Shares = dict[Address, dict[Subset, bytes]]


class AuthorityRecords:
    """May be shared by threads.

    One change keeps an answer, uses its label up and, when no kind of opening is left for the label, moves all keys of
    the task past its epoch.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._folded: Folded[AuthorityState, AuthorityEntry] = Folded(records, get_args(AuthorityEntry), {}, apply)
        self.histories = HistoryRecords(records, self._folded)

    def close(self) -> None:
        self._records.close()

    def keep_task(self, task: int, spec: bytes) -> None:
        digest = sha256(spec)

        def change(state: AuthorityState) -> Change:
            known = records_of(state, task).spec
            first = (RostersKept(task),) if known is None else ()
            kept = Change((TaskKept(task, digest), *first), {spec_blob(task): spec})
            return NOTHING if known == digest else kept

        self._folded.change(change)

    def tasks(self) -> set[int]:
        """Those whose spec is kept."""
        return {task for task, known in self._folded.state.items() if known.spec is not None}

    def spec(self, task: int) -> TaskSpec | None:
        return None if self._task(task).spec is None else decode(TaskSpec, self._records.blob(spec_blob(task)))

    def windows(self, task: int) -> frozenset[int]:
        """Those whose keys are here."""
        return self._task(task).windows

    def keep_window_key(self, task: int, window: int, key: bytes) -> None:
        """The first one stays, and none comes after it was erased, or may have been there."""
        kept = Change((WindowKeyMade(task, window),), {window_blob(task, window): key})

        def change(state: AuthorityState) -> Change:
            known = records_of(state, task)
            return NOTHING if window in known.windows or window < max(known.first_window, known.first_new) else kept

        self._folded.change(change)

    def window_key(self, task: int, window: int) -> bytes | None:
        """None when none was made, or it is erased."""
        while window in self._task(task).windows:
            try:
                return self._records.blob(window_blob(task, window))
            except RecordsError:
                if window in self._task(task).windows:  # else it was erased meanwhile
                    raise
        return None

    def erase_windows(self, task: int, first: int) -> None:
        """The keys of every window before ``first``."""

        def change(state: AuthorityState) -> Change:
            known = records_of(state, task)
            if first <= known.first_window:
                return NOTHING
            over = tuple(window_blob(task, window) for window in known.windows if window < first)
            return Change((WindowsErased(task, first),), remove=over)

        self._folded.change(change)

    def keep_share(self, task: int, client: Address, envelope: Digest, share: Mapping[Subset, bytes]) -> None:
        """``share`` as enrolled; one that comes late is kept as of the task's epoch, like all others."""

        def change(state: AuthorityState) -> Change:
            known = records_of(state, task)
            if known.envelopes.get(client) == envelope:
                return NOTHING
            keys = joined(ratchet(share, known.epoch))
            return Change((ShareKept(task, client, envelope, known.epoch),), {share_blob(task, client): keys})

        self._folded.change(change)

    def keep_refusal(self, task: int, client: Address, envelope: Digest) -> None:
        kept = Change((EnvelopeRefused(task, client, envelope),))
        self._folded.change(lambda state: NOTHING if records_of(state, task).refused.get(client) == envelope else kept)

    def refused(self, task: int) -> set[Address]:
        """Those whose envelope was wrong, and whose share is not held."""
        known = self._task(task)
        return known.refused.keys() - known.envelopes.keys()

    def envelope(self, task: int, client: Address) -> Digest | None:
        """Of the envelope whose share is held."""
        return self._task(task).envelopes.get(client)

    def clients(self, task: int) -> Set[Address]:
        """Those whose shares are held."""
        return self._task(task).envelopes.keys()

    def epoch(self, task: int) -> int:
        """The earliest whose keys are still here."""
        return self._task(task).epoch

    def shares(self, task: int, held: Sequence[Subset], epoch: int) -> Shares:
        """Every client's keys of the subsets ``held`` (all that this authority holds, ascending), as of ``epoch``.

        Raises EncryptionError ``E_EPOCH`` when they are erased.
        """
        while True:
            known = self._task(task)
            try:
                return self._shares(known, task, held, epoch)
            except RecordsError:
                if self._task(task) == known:  # else another answer has moved them on meanwhile
                    raise

    def sight(self, task: int, round_number: int, label: Label, kind: str, request: Digest) -> None:
        """What may be signed from now on. Raises EncryptionError ``E_SIGHTED`` after another request of its place, or
        where there may have been one."""

        def change(state: AuthorityState) -> Change:
            known = records_of(state, task)
            if (label, kind) in known.sighted:
                return NOTHING
            if round_number <= known.forgotten:
                raise _refused("E_SIGHTED", f"the records of round {round_number} are older than what was signed of it")
            return Change((Sighted(task, label, kind, request),))

        _check_sighted(records_of(self._folded.change(change), task), label, kind, request)

    def rosters(self, task: int) -> frozenset[int] | None:
        """Windows for which one was posted, or was about to be; None for a task that an older version began."""
        known = self._folded.state.get(task)
        return frozenset() if known is None else known.rosters

    def keep_roster(self, task: int, window: int) -> None:
        """Before it is posted: one that the chain has without it was forgotten."""

        def change(state: AuthorityState) -> Change:
            rosters = records_of(state, task).rosters
            return NOTHING if rosters is None or window in rosters else Change((RosterKept(task, window),))

        self._folded.change(change)

    def forget(self, forgotten: Forgotten, held: Sequence[Subset]) -> None:
        """Of its rounds nothing is signed any more but what is here, their keys are erased, and no key is made for its
        windows. ``held``: the subsets of this authority, none while no share is here."""
        task, epoch = forgotten.task, forgotten.round + 1

        def change(state: AuthorityState) -> Change:
            known = records_of(state, task)
            if apply(state, forgotten).get(task) == state.get(task):
                return NOTHING
            moved = self._moved(known, task, held, max(known.epoch, epoch if known.envelopes else 0))
            return Change((forgotten, *moved.entries), moved.keep, moved.remove)

        self._folded.change(change)

    def issued(self, task: int) -> tuple[Answered, ...]:
        """Every answer that was ever given, ascending by round."""
        return tuple(sorted(self._task(task).issued, key=lambda answered: (answered.round, answered.label)))

    def first_window(self, task: int) -> int:
        """The keys of those before are erased."""
        return self._task(task).first_window

    def answer_to(self, task: int, label: Label, kind: str, request: Digest) -> bytes | None:
        """The stored answer to exactly this request."""
        if self._task(task).answered.get((label, kind)) != request:
            return None
        return self._records.blob(answer_blob(label, kind))

    def use_label(
        self,
        task: int,
        epoch: int,
        held: Sequence[Subset],
        label: Label,
        kind: str,
        kinds: Collection[str],
        request: Digest,
        answer: bytes,
        settling: Settling = unsettled,
    ) -> bytes:
        """Uses ``label``, of the round ``epoch``, up for ``kind``. Returns what may be answered: what was stored first,
        if something was. What ``settling`` says is kept with it.

        ``kinds`` are all that the label has. With the last of them the keys of its ``epoch`` are erased, those of
        earlier epochs with any. Raises EncryptionError ``E_LABEL_USED``, ``E_EPOCH``, ``E_SIGHTED``.
        """

        def change(state: AuthorityState) -> Change:
            known = records_of(state, task)
            if (label, kind) in known.answered:
                return NOTHING
            if epoch < known.epoch:
                raise _refused("E_EPOCH", f"the keys of epoch {epoch} are erased")
            _check_sighted(known, label, kind, request)
            used = {of_kind for of_label, of_kind in known.answered if of_label == label} | {kind}
            moved = self._moved(known, task, held, epoch + 1 if used.issuperset(kinds) else epoch)
            answered, also = Answered(task, epoch, label, kind, request), settling(known)
            kept = {answer_blob(label, kind): answer, **also.keep, **moved.keep}
            return Change((answered, *also.entries, *moved.entries), kept, (*also.remove, *moved.remove))

        used = records_of(self._folded.change(change), task).answered[label, kind]
        if used != request:
            raise _refused("E_LABEL_USED", f"label {to_hex(label)} was used for another request")
        return self._records.blob(answer_blob(label, kind))

    def _moved(self, known: TaskRecords, task: int, held: Sequence[Subset], epoch: int) -> Change:
        """All keys of the task, moved on to ``epoch``."""
        if epoch == known.epoch:
            return NOTHING
        shares = self._shares(known, task, held, epoch)
        data = b"".join(client + joined(shares[client]) for client in sorted(shares))
        before = [share_blob(task, client) for client in known.late]
        if known.epoch:
            before.append(shares_blob(task, known.epoch))
        return Change((KeysMoved(task, epoch),), {shares_blob(task, epoch): data}, tuple(before))

    def _shares(self, known: TaskRecords, task: int, held: Sequence[Subset], epoch: int) -> Shares:
        size, found = KEY_BYTES * len(held), {}
        if known.epoch:
            data = self._records.blob(shares_blob(task, known.epoch))
            for start in range(0, len(data), _ADDRESS_BYTES + size):
                client, keys = data[start : start + _ADDRESS_BYTES], data[start + _ADDRESS_BYTES :][:size]
                found[client] = ratchet(split(keys, held), epoch - known.epoch)
        for client, kept in known.late.items():
            keys = self._records.blob(share_blob(task, client))
            found[client] = ratchet(split(keys, held), epoch - kept)
        return found

    def _task(self, task: int) -> TaskRecords:
        return records_of(self._folded.state, task)


def _check_sighted(known: TaskRecords, label: Label, kind: str, request: Digest) -> None:
    if known.sighted.get((label, kind), request) != request:
        raise _refused("E_SIGHTED", f"another request was seen under the label {to_hex(label)}")


def _refused(code: str, why: str) -> EncryptionError:
    return EncryptionError(why, code=code, fault=Party.EDGE_SERVER)
