"""What an authority remembers across a kill: tasks, clients' shares, the label log; durable before any answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from protocol.canonical import decode
from protocol.encryption.committee import KEY_BYTES, Subset, ratchet
from protocol.errors import EncryptionError, HearthError, Party
from protocol.identifiers import Address, Digest, Label, sha256, to_hex
from protocol.messages.task import TaskSpec
from storage.records.journal import Journal

_ADDRESS_BYTES = 20
_KEYS_PREFIX = "share-"


class RecordsDamagedError(HearthError):
    """A file beside the journal is not the one the journal recorded."""

    code = "E_JOURNAL_DAMAGED"


@dataclass(frozen=True, slots=True)
class Held:
    """One client's share in a file of its own, as of ``epoch``, until the first answer after it came."""

    envelope: Digest
    epoch: int
    share: Digest


@dataclass(frozen=True, slots=True)
class Moved:
    """All shares that had come when the last label of a task was used up, moved on to ``epoch``, in one file."""

    epoch: int
    shares: Digest


@dataclass(frozen=True, slots=True)
class Answered:
    """A label is used up: by this request, with this answer."""

    request: Digest
    answer: Digest


class AuthorityRecords:
    """Append-only; the current state is a fold over the entries. May be shared by threads.

    A blob is on disk before the entry that names it, so after a kill in between it is simply written again. One entry
    uses a label up and moves all keys of its task past the label's epoch; what came before is removed afterwards, or
    when the records are opened again.
    """

    def __init__(self, folder: Path) -> None:
        self._journal = Journal(folder / "journal")
        self._mutex = threading.RLock()
        self._tasks: dict[int, Digest] = {}
        self._held: dict[tuple[int, Address], Held] = {}
        self._moved: dict[int, Moved] = {}
        self._envelopes: dict[tuple[int, Address], Digest] = {}
        self._answered: dict[Label, Answered] = {}
        for entry in self._journal.entries():
            self._apply(entry.kind, entry.fields)
        self._erase()

    def close(self) -> None:
        self._journal.close()

    def keep_task(self, task: int, spec: bytes) -> None:
        with self._mutex:
            if self._tasks.get(task) != (digest := sha256(spec)):
                self._journal.write_file(f"task-{task}", spec)
                self._append("task", task=task, spec=digest)

    def tasks(self) -> set[int]:
        """Those whose spec is kept; a copy."""
        with self._mutex:
            return set(self._tasks)

    def spec(self, task: int) -> TaskSpec | None:
        digest = self._tasks.get(task)
        return None if digest is None else decode(TaskSpec, self._read(f"task-{task}", digest))

    def keep_share(self, task: int, client: Address, envelope: Digest, share: Mapping[Subset, bytes]) -> None:
        """``share`` as enrolled; one that comes late is kept as of the task's epoch, like all others."""
        with self._mutex:
            epoch = self.epoch(task)
            moved = ratchet(share, epoch)
            keys = b"".join(moved[subset] for subset in sorted(moved))
            if self._held.get((task, client)) != Held(envelope, epoch, sha256(keys)):
                self._journal.write_file(_share_file(task, client), keys)
                self._append("share", task=task, client=client, envelope=envelope, epoch=epoch, share=sha256(keys))

    def envelope(self, task: int, client: Address) -> Digest | None:
        """Of the envelope whose share is held."""
        return self._envelopes.get((task, client))

    def epoch(self, task: int) -> int:
        """The earliest whose keys are still here: 0 as enrolled, then one later than that of the last used label."""
        moved = self._moved.get(task)
        return 0 if moved is None else moved.epoch

    def shares(self, task: int, held: Sequence[Subset], epoch: int) -> dict[Address, dict[Subset, bytes]]:
        """Every client's keys of the subsets ``held`` (all that this authority holds, ascending), as of ``epoch``.

        Raises EncryptionError ``E_EPOCH`` when they are erased.
        """
        size, found = KEY_BYTES * len(held), {}
        with self._mutex:
            if (moved := self._moved.get(task)) is not None:
                data = self._read(_shares_file(task, moved.epoch), moved.shares)
                for start in range(0, len(data), _ADDRESS_BYTES + size):
                    client, keys = data[start : start + _ADDRESS_BYTES], data[start + _ADDRESS_BYTES :][:size]
                    found[client] = ratchet(_split(keys, held), epoch - moved.epoch)
            for (of_task, client), entry in self._held.items():
                if of_task == task:
                    data = self._read(_share_file(task, client), entry.share)
                    found[client] = ratchet(_split(data, held), epoch - entry.epoch)
        return found

    def answer_to(self, label: Label, request: Digest) -> bytes | None:
        """The stored answer to exactly this request."""
        answered = self._answered.get(label)
        if answered is None or answered.request != request:
            return None
        return self._read(_answer_file(label), answered.answer)

    def use_label(
        self, task: int, epoch: int, held: Sequence[Subset], label: Label, request: Digest, answer: bytes
    ) -> bytes:
        """Uses up ``label`` and erases the keys of its ``epoch``. Returns what may be answered: what another thread
        stored first, if one did. Raises EncryptionError ``E_LABEL_USED``, ``E_EPOCH``.
        """
        with self._mutex:
            stored = self.answer_to(label, request)
            if stored is not None:
                return stored
            if label in self._answered:
                raise EncryptionError(
                    f"label {to_hex(label)} was used for another request", code="E_LABEL_USED", fault=Party.EDGE_SERVER
                )
            moved = self.shares(task, held, epoch + 1)
            shares = b"".join(client + b"".join(moved[client][subset] for subset in held) for client in sorted(moved))
            self._journal.write_file(_answer_file(label), answer)
            self._journal.write_file(_shares_file(task, epoch + 1), shares)
            self._append(
                "answer",
                label=label,
                request=request,
                answer=sha256(answer),
                task=task,
                epoch=epoch + 1,
                shares=sha256(shares),
            )
            self._erase()
            return answer

    def _erase(self) -> None:
        """Removes every file of keys that no entry names any more."""
        kept = {_shares_file(task, moved.epoch) for task, moved in self._moved.items()}
        kept |= {_share_file(task, client) for task, client in self._held}
        for name in self._journal.file_names():
            if name.startswith(_KEYS_PREFIX) and name not in kept:
                self._journal.remove_file(name)

    def _read(self, name: str, digest: Digest) -> bytes:
        data = self._journal.read_file(name)
        if sha256(data) != digest:
            raise RecordsDamagedError(f"{name} is not what the journal recorded")
        return data

    def _append(self, kind: str, **fields: int | str | bytes) -> None:
        self._journal.append(kind, **fields)
        self._apply(kind, fields)

    def _apply(self, kind: str, fields: Mapping[str, object]) -> None:
        match kind, fields:
            case "task", {"task": int(task), "spec": bytes(spec)}:
                self._tasks[task] = spec
            case "share", {
                "task": int(task),
                "client": bytes(client),
                "envelope": bytes(envelope),
                "epoch": int(epoch),
                "share": bytes(share),
            }:
                self._held[task, client] = Held(envelope, epoch, share)
                self._envelopes[task, client] = envelope
            case "answer", {
                "label": bytes(label),
                "request": bytes(request),
                "answer": bytes(answer),
                "task": int(task),
                "epoch": int(epoch),
                "shares": bytes(shares),
            }:
                self._answered[label] = Answered(request, answer)
                self._moved[task] = Moved(epoch, shares)
                self._held = {of: held for of, held in self._held.items() if of[0] != task}
            case _:
                raise RecordsDamagedError(f"unknown entry {kind}")


def _split(keys: bytes, held: Sequence[Subset]) -> dict[Subset, bytes]:
    if len(keys) != KEY_BYTES * len(held):
        raise RecordsDamagedError("a share is for another committee")
    return {subset: keys[KEY_BYTES * i : KEY_BYTES * (i + 1)] for i, subset in enumerate(held)}


def _share_file(task: int, client: Address) -> str:
    return f"{_KEYS_PREFIX}{task}-{client.hex()}"


def _shares_file(task: int, epoch: int) -> str:
    return f"{_KEYS_PREFIX}{task}-epoch-{epoch}"


def _answer_file(label: Label) -> str:
    return f"answer-{label.hex()}"
