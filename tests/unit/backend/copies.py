"""Records of which a copy is made after every change, to be put back."""

from __future__ import annotations

from storage.records.codec import StoredEntry
from storage.records.interface import Change
from storage.records.memory import MemoryRecords


class Copies(MemoryRecords):
    """Keeps a copy of itself as it was after every change."""

    def __init__(self) -> None:
        super().__init__()
        self.made = [self._content()]

    def append(self, change: Change, after: int) -> None:
        super().append(change, after)
        self.made.append(self._content())

    def put_back(self, number: int) -> None:
        entries, blobs = self.made[number]
        self._entries, self._blobs, self.made = list(entries), dict(blobs), self.made[: number + 1]

    def _content(self) -> tuple[list[StoredEntry], dict[str, bytes]]:
        return list(self._entries), dict(self._blobs)
