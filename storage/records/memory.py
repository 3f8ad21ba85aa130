"""Records that live as long as their object: for simulations and tests. Several users may share them, as a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from storage.records.codec import StoredEntry, encode_change, typed
from storage.records.interface import MAX_BLOB_BYTES, Change, EntryT, OvertakenError, RecordsError
from storage.records.leases import Leases


class MemoryRecords:
    """Encodes and decodes like the file does. ``close`` does nothing: whoever comes next finds everything."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._entries: list[StoredEntry] = []
        self._blobs: dict[str, bytes] = {}
        self._leases = Leases()

    def append(self, change: Change, after: int) -> None:
        batch, _ = encode_change(change)
        with self._mutex:
            if after != len(self._entries):
                raise OvertakenError(f"{len(self._entries)} entries where {after} had been read")
            for name in change.remove:
                self._blobs.pop(name, None)
            self._blobs |= {name: bytes(data) for name, data in change.keep.items()}
            self._entries += batch.entries

    def read(self, types: Sequence[type[EntryT]], after: int = 0) -> Iterator[EntryT]:
        with self._mutex:
            entries = self._entries[after:]
        return (typed(entry, types) for entry in entries)

    def blob(self, name: str, max_bytes: int = MAX_BLOB_BYTES) -> bytes:
        with self._mutex:
            data = self._blobs.get(name)
        if data is None:
            raise RecordsError(f"nothing is kept as {name[:64]!r}")
        if len(data) > max_bytes:
            raise RecordsError(f"{name}: larger than {max_bytes} bytes")
        return data

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        return self._leases.claim(name, holder, until, now)

    def close(self) -> None:
        pass
