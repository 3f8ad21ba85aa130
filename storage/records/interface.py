"""The records port: what a role must remember, as typed entries in one order, with blobs beside them and leases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from protocol.errors import HearthError

MAX_BLOB_BYTES: Final = 256 * 1024 * 1024

EntryT = TypeVar("EntryT")


class RecordsError(HearthError):
    """The records cannot be read or written; after a failed ``append`` only opening them again tells what they hold."""

    code = "E_RECORDS"


class RecordsDamagedError(RecordsError):
    """An entry or a blob is not what was recorded, or of a type that its reader does not know."""

    code = "E_RECORDS_DAMAGED"


class RecordsBusyError(RecordsError):
    """Another process owns records that only one can use at a time."""

    code = "E_RECORDS_BUSY"


class OvertakenError(RecordsError):
    """Another writer appended first: read on, decide again."""

    code = "E_RECORDS_OVERTAKEN"


@dataclass(frozen=True, slots=True)
class Change:
    """What is appended as a whole: entries (frozen dataclasses that :mod:`protocol.canonical` encodes) and blobs.

    ``remove`` names blobs that are erased, ``keep`` those that are kept from here on, each in place of one of its name.
    """

    entries: tuple[object, ...] = ()
    keep: Mapping[str, bytes] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


NOTHING: Final = Change()


class Records(Protocol):
    """One stream of entries. Threads may share it, and other processes may append to the same stream.

    A writer therefore says how many entries it had read when it decided; :class:`~storage.records.fold.Folded` does.
    """

    def append(self, change: Change, after: int) -> None:
        """Keeps all of ``change`` or nothing, whenever the process is killed; on return it is durable.

        Raises OvertakenError when the stream has other than ``after`` entries, MalformedError for what cannot be kept
        (nothing is written), RecordsError.
        """
        ...

    def read(self, types: Sequence[type[EntryT]], after: int = 0) -> Iterator[EntryT]:
        """The entries behind the first ``after``, in order. Raises RecordsDamagedError for one of no such type."""
        ...

    def blob(self, name: str, max_bytes: int = MAX_BLOB_BYTES) -> bytes:
        """Exactly what was kept. Raises RecordsError when nothing is or it is larger, RecordsDamagedError."""
        ...

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        """Whether ``holder`` has the lease ``name`` now, then until ``until``; both in seconds of the caller's clock.

        Nobody else had it at ``now``. Who has it may claim it again, with another end; one that is past gives it back.
        """
        ...

    def close(self) -> None:
        """The object cannot be used any more; what was appended stays."""
        ...
