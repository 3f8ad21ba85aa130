"""What the edge server must remember across a kill because neither chain nor content store tells it again."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from protocol.canonical import decode, encode
from protocol.errors import HearthError
from protocol.identifiers import Address, sha256
from protocol.messages.settlement import Verdict
from protocol.messages.submission import Submission
from storage.records.journal import Entry, Journal

MAX_VERDICT_BYTES = 8 * 1024 * 1024


class EdgeJournal:
    """Submissions before they are in a batch, word of key authorities, verdicts. May be shared by threads."""

    def __init__(self, folder: Path) -> None:
        self._journal = Journal(folder / "journal")
        self._lock = threading.Lock()
        self._submissions: dict[tuple[int, int], dict[Address, Submission]] = {}
        self._acceptances: dict[tuple[int, Address], set[Address]] = {}
        self._refused: set[tuple[int, Address]] = set()
        self._closed: set[tuple[int, int]] = set()
        self._verdicts: dict[tuple[int, int], bytes] = {}
        for entry in self._journal.entries():
            self._apply(entry)

    def close(self) -> None:
        self._journal.close()

    def submissions(self, task: int, round_number: int) -> dict[Address, Submission]:
        """By client; a copy."""
        with self._lock:
            return dict(self._submissions.get((task, round_number), {}))

    def keep_submission(self, task: int, round_number: int, submission: Submission) -> Submission | None:
        """The client's submission that is durable now, perhaps another one; None when the round's batch is closed."""
        with self._lock:
            known = self._submissions.get((task, round_number), {}).get(submission.client)
            if known is not None:
                return known
            if (task, round_number) in self._closed:
                return None
            self._append("submission", task=task, round=round_number, body=encode(submission))
            return submission

    def close_batch(self, task: int, round_number: int) -> dict[Address, Submission]:
        """What goes into the round's batch, by client; from now on nothing else can, whatever happens."""
        with self._lock:
            if (task, round_number) not in self._closed:
                self._append("closed", task=task, round=round_number)
            return dict(self._submissions.get((task, round_number), {}))

    def acceptances(self, task: int, client: Address) -> frozenset[Address]:
        """Authorities that hold this client's shares."""
        with self._lock:
            return frozenset(self._acceptances.get((task, client), ()))

    def refused(self, task: int, client: Address) -> bool:
        """An authority found that this client's envelope is not what its digests say."""
        with self._lock:
            return (task, client) in self._refused

    def keep_word(self, task: int, authority: Address, accepted: Iterable[Address], refused: Iterable[Address]) -> None:
        """What an authority said of clients' envelopes."""
        with self._lock:
            for client in sorted(accepted):
                if authority not in self._acceptances.get((task, client), ()):
                    self._append("acceptance", task=task, client=client, authority=authority)
            for client in sorted(refused):
                if (task, client) not in self._refused:
                    self._append("refusal", task=task, client=client, authority=authority)

    def verdict(self, task: int, round_number: int) -> Verdict | None:
        """The verdict already taken; the accepted set must not change once its key is requested."""
        with self._lock:
            digest = self._verdicts.get((task, round_number))
        if digest is None:
            return None
        data = self._journal.read_file(_verdict_name(task, round_number))
        if sha256(data) != digest:
            raise HearthError(f"the verdict of round {round_number} is not the one that was recorded")
        return decode(Verdict, data, MAX_VERDICT_BYTES)

    def keep_verdict(self, task: int, round_number: int, verdict: Verdict) -> None:
        data = encode(verdict)
        with self._lock:
            self._journal.write_file(_verdict_name(task, round_number), data)
            self._append("verdict", task=task, round=round_number, digest=sha256(data))

    def _append(self, kind: str, **fields: int | str | bytes) -> None:
        self._journal.append(kind, **fields)
        self._apply(Entry(kind, fields))

    def _apply(self, entry: Entry) -> None:
        fields = entry.fields
        match entry.kind, fields:
            case "submission", {"task": int(task), "round": int(number), "body": bytes(body)}:
                submission = decode(Submission, body)
                self._submissions.setdefault((task, number), {})[submission.client] = submission
            case "closed", {"task": int(task), "round": int(number)}:
                self._closed.add((task, number))
            case "acceptance", {"task": int(task), "client": bytes(client), "authority": bytes(authority)}:
                self._acceptances.setdefault((task, client), set()).add(authority)
            case "refusal", {"task": int(task), "client": bytes(client)}:
                self._refused.add((task, client))
            case "verdict", {"task": int(task), "round": int(number), "digest": bytes(digest)}:
                self._verdicts[task, number] = digest
            case kind, _:
                raise HearthError(f"unknown journal entry {kind}")


def _verdict_name(task: int, round_number: int) -> str:
    return f"verdict-{task}-{round_number}.json"
