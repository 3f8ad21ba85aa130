"""The case that all checks are about, and what they ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from protocol.audit.evidence import ChainEvidence, Fetch, MissingEvidenceError
from protocol.audit.report import Report
from protocol.audit.wording import Amount
from protocol.content.cid import CHUNK_BYTES
from protocol.errors import Party, VerificationError
from protocol.identifiers import NATIVE_COIN, Digest, to_hex
from protocol.messages.chain import Event
from protocol.messages.task import TaskSpec
from protocol.task.documents import Absent, Lack
from protocol.task.state import TaskState

T = TypeVar("T")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Case:
    """``state``: the fold of ``evidence.events``, with the documents that were found. ``fetch`` gives the rest."""

    report: Report
    evidence: ChainEvidence
    state: TaskState
    fetch: Fetch

    @property
    def spec(self) -> TaskSpec:
        """Raises MissingEvidenceError when the spec cannot be read: check 3 says why."""
        return known(self.state.spec, "the spec")

    def amount(self, value: int) -> Amount:
        """Of the task's money."""
        return Amount(value, NATIVE_COIN if self.state.posted is None else self.state.posted.terms.token)

    def of_task(self, kind: type[E]) -> list[E]:
        """This task's events of one kind, in chain order."""
        task = self.evidence.task
        return [e for e in self.evidence.events if isinstance(e, kind) and getattr(e, "task", None) == task]

    def content(self, digest: Digest, max_bytes: int, what: str, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        """Bytes behind a digest. Raises MissingEvidenceError or VerificationError."""
        found = self.fetch(digest, max_bytes, chunk_bytes)
        if isinstance(found, Lack):
            raise lacking(found, f"{what} {to_hex(digest)}")
        return found


def read(document: T | Absent, what: str) -> T:
    """The document that a check is about. Raises MissingEvidenceError or VerificationError, which name its keeper."""
    if isinstance(document, Absent):
        of, keeper = to_hex(document.digest), to_hex(document.keeper)
        raise lacking(document.lack, f"{what} {of}, which {keeper} was to keep")
    return document


def known(value: T | Absent | None, what: str) -> T:
    """What a check stands on, and another check is about. Raises MissingEvidenceError."""
    if value is None or isinstance(value, Absent):
        raise MissingEvidenceError(f"needs {what}")
    return value


def lacking(lack: Lack, what: str) -> MissingEvidenceError | VerificationError:
    """Of something that is missing nothing follows, nor of other bytes in its place: what the digest names may be
    right. What it names and is no such document is a failure."""
    if lack is Lack.MALFORMED:
        return VerificationError(f"{what}: it is no such document")
    if lack is Lack.CORRUPT:
        reason = f"{what}: the content store gives other bytes in its place; try another store"
        return MissingEvidenceError(reason, fault=Party.CONTENT_STORE)
    return MissingEvidenceError(f"{what}: the content store does not have it, or does not deliver it")
