"""The case that all checks are about, and what they ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from protocol.audit.evidence import ChainEvidence, Fetch, MissingEvidenceError
from protocol.audit.report import Report
from protocol.content.cid import CHUNK_BYTES
from protocol.errors import Party, VerificationError
from protocol.identifiers import Digest, to_hex
from protocol.messages.chain import Event
from protocol.messages.task import TaskSpec
from protocol.task.documents import Absent, Lack
from protocol.task.state import TaskState

T = TypeVar("T")
E = TypeVar("E", bound=Event)
_WHY = {Lack.CORRUPT: "the content store gives other bytes in its place", Lack.MALFORMED: "it is no such document"}


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
    """Of something that is missing nothing follows; what is there and wrong is a failure."""
    if lack in _WHY:
        store = Party.CONTENT_STORE if lack is Lack.CORRUPT else Party.OURS
        return VerificationError(f"{what}: {_WHY[lack]}", fault=store)
    return MissingEvidenceError(f"{what}: not in the content store")
