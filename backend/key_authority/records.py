"""What an authority remembers across a kill: tasks, clients' shares, the label log; durable before any answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from protocol.canonical import decode
from protocol.encryption.committee import KEY_BYTES, Subset
from protocol.errors import EncryptionError, HearthError, Party
from protocol.identifiers import Address, Digest, Label, sha256, to_hex
from protocol.messages.task import TaskSpec
from storage.journal import Journal


class RecordsDamagedError(HearthError):
    """A file beside the journal is not the one the journal recorded."""

    code = "E_JOURNAL_DAMAGED"


@dataclass(frozen=True, slots=True)
class Held:
    """One client's share at this authority."""

    envelope: Digest
    share: Digest


@dataclass(frozen=True, slots=True)
class Answered:
    """A label is used up: by this request, with this answer."""

    request: Digest
    answer: Digest


class AuthorityRecords:
    """Append-only; the current state is a fold over the entries. May be shared by threads.

    A blob is on disk before the entry that names it, so after a kill in between it is simply written again.
    """

    def __init__(self, folder: Path) -> None:
        self._journal = Journal(folder / "journal")
        self._mutex = threading.Lock()
        self._tasks: dict[int, Digest] = {}
        self._held: dict[tuple[int, Address], Held] = {}
        self._answered: dict[Label, Answered] = {}
        for entry in self._journal.entries():
            self._apply(entry.kind, entry.fields)

    def close(self) -> None:
        self._journal.close()

    def keep_task(self, task: int, spec: bytes) -> None:
        with self._mutex:
            if self._tasks.get(task) != (digest := sha256(spec)):
                self._journal.write_file(f"task-{task}", spec)
                self._append("task", task=task, spec=digest)

    def spec(self, task: int) -> TaskSpec | None:
        digest = self._tasks.get(task)
        return None if digest is None else decode(TaskSpec, self._read(f"task-{task}", digest))

    def keep_share(self, task: int, client: Address, envelope: Digest, share: Mapping[Subset, bytes]) -> None:
        with self._mutex:
            keys = b"".join(share[subset] for subset in sorted(share))
            if self._held.get((task, client)) != (held := Held(envelope, sha256(keys))):
                self._journal.write_file(_share_file(task, client), keys)
                self._append("share", task=task, client=client, envelope=held.envelope, share=held.share)

    def envelope(self, task: int, client: Address) -> Digest | None:
        """Of the envelope whose share is held."""
        held = self._held.get((task, client))
        return None if held is None else held.envelope

    def share(self, task: int, client: Address, subsets: tuple[Subset, ...]) -> dict[Subset, bytes] | None:
        """The client's keys of ``subsets`` (all that this authority holds, ascending)."""
        held = self._held.get((task, client))
        if held is None:
            return None
        keys = self._read(_share_file(task, client), held.share)
        if len(keys) != KEY_BYTES * len(subsets):
            raise RecordsDamagedError(f"the share of {to_hex(client)} is for another committee")
        return {subset: keys[KEY_BYTES * i : KEY_BYTES * (i + 1)] for i, subset in enumerate(subsets)}

    def answer_to(self, label: Label, request: Digest) -> bytes | None:
        """The stored answer, or None while the label is unused. Raises EncryptionError ``E_LABEL_USED``."""
        answered = self._answered.get(label)
        if answered is None:
            return None
        if answered.request != request:
            raise EncryptionError(
                f"label {to_hex(label)} was used for another request", code="E_LABEL_USED", fault=Party.EDGE_SERVER
            )
        return self._read(_answer_file(label), answered.answer)

    def use_label(self, label: Label, request: Digest, answer: bytes) -> bytes:
        """Uses up ``label``. Returns what may be answered: what another thread stored first, if one did."""
        with self._mutex:
            stored = self.answer_to(label, request)
            if stored is not None:
                return stored
            self._journal.write_file(_answer_file(label), answer)
            self._append("answer", label=label, request=request, answer=sha256(answer))
            return answer

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
                "share": bytes(share),
            }:
                self._held[task, client] = Held(envelope, share)
            case "answer", {"label": bytes(label), "request": bytes(request), "answer": bytes(answer)}:
                self._answered[label] = Answered(request, answer)
            case _:
                raise RecordsDamagedError(f"unknown entry {kind}")


def _share_file(task: int, client: Address) -> str:
    return f"share-{task}-{client.hex()}"


def _answer_file(label: Label) -> str:
    return f"answer-{label.hex()}"
