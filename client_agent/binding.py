"""Which task a phone's folder is for: bound at its first use, and never moved to another one."""

from __future__ import annotations

from dataclasses import dataclass, fields

from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Address, Digest, Word, to_hex


@dataclass(frozen=True, slots=True)
class TaskBinding:
    """One task of one ledger, with the spec that stands there."""

    chain_id: Word
    ledger: Address
    task: Word
    spec: Digest

    @classmethod
    def of(cls, domain: Domain, task: int, spec: Digest) -> TaskBinding:
        return cls(domain.chain_id, domain.ledger, task, spec)


class FolderBoundError(HearthError):
    """The folder holds keys and records of something else. Another folder is needed, or the one that was meant."""

    code = "E_FOLDER_BOUND"


def require_same(bound: TaskBinding, found: TaskBinding) -> None:
    """Raises FolderBoundError that names the first field in which they differ."""
    for field in fields(TaskBinding):
        ours, theirs = getattr(bound, field.name), getattr(found, field.name)
        if ours != theirs:
            raise FolderBoundError(
                f"this folder is bound to {field.name} {_text(ours)}, and not to {_text(theirs)}: one folder, one task"
            )


def _text(value: int | bytes) -> str:
    return to_hex(value) if isinstance(value, bytes) else str(value)
