"""The events that a role has read, in its folder: a restart reads on behind them.

It is a copy of what the chain says and nothing more. A file that is damaged, of another ledger, or of a branch that the
chain has left, is no loss: everything is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from protocol.canonical import decode, encode
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Digest, from_hex, to_hex
from protocol.messages.chain import Event
from storage.durable_file import write_file_atomically
from storage.ledger.ethereum.decoding import EVENT_TYPES

FORMAT: Final = "hearth-events/1"
MAX_FILE_BYTES: Final = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EventFile:
    """Of all tasks of the ledger of ``domain``. First a line with the block up to which it goes, then one an event."""

    path: Path
    domain: Domain

    def load(self) -> tuple[int, Digest, tuple[Event, ...]] | None:
        """The last block that was read, its hash, and the events up to it; None where the file is of no use."""
        try:
            if self.path.stat().st_size > MAX_FILE_BYTES:
                return None
            first, *lines = self.path.read_bytes().decode("ascii").splitlines()
            kind, place, block, digest = first.split()
            events = tuple(_event(*line.split(" ", 1)) for line in lines)
            if (kind, place) != (FORMAT, self._place) or any(event.block > int(block) for event in events):
                return None
            return int(block), from_hex(digest, 32), events
        except (OSError, ValueError, LookupError, TypeError, HearthError):
            return None

    def save(self, block: int, digest: Digest, events: tuple[Event, ...]) -> None:
        """Raises OSError."""
        lines = [f"{FORMAT} {self._place} {block} {to_hex(digest)}".encode()]
        lines += [type(event).__name__.encode() + b" " + encode(event) for event in events]
        write_file_atomically(self.path, b"\n".join(lines) + b"\n", 0o644)

    @property
    def _place(self) -> str:
        return f"{self.domain.chain_id}:{to_hex(self.domain.ledger)}"


def _event(name: str, encoded: str) -> Event:
    return decode(EVENT_TYPES[name], encoded.encode())
