"""How far this machine has seen a stream of records, in a file beside the database: it tells when an older copy of the
database was put in its place.

It is written after every change, and not synced: a kill loses nothing of it, and what a loss of power takes from it is
newer than any copy that somebody made.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from protocol.errors import MalformedError
from protocol.identifiers import Digest, from_hex
from storage.durable_file import write_file_atomically
from storage.records.interface import RecordsError

DOUBT: Final = b"the records were put back\n"
_BYTES: Final = 20 + 1 + 64 + 1  # number of entries, space, checksum of the last one in hex, line feed


class Mark:
    """``is_doubted``: nothing is noted, and the doubt stays whenever the process is killed, until :meth:`trust`."""

    def __init__(self, path: Path) -> None:
        """Raises RecordsError."""
        self._path, self._mutex, self._count, self._descriptor = path, threading.Lock(), -1, -1
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._written = path.read_bytes() if path.exists() else None
        except OSError as error:
            raise self._failed(error) from error
        self.is_doubted = False

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def compare(self, checksum: Callable[[int], Digest | None]) -> None:
        """Doubts other entries than were seen. ``checksum``: of the last of so many, None where there are fewer."""
        if self._written is None:
            return
        try:
            count, _, check = self._written.decode("ascii").rstrip("\n").partition(" ")
            self.is_doubted = checksum(int(count)) != from_hex("0x" + check, 32)
        except (ValueError, MalformedError):
            self.is_doubted = True  # an operator's word, or a file that says nothing

    def doubt(self) -> None:
        """Raises RecordsError."""
        self.is_doubted = True
        self._write_whole(DOUBT)

    def trust(self) -> None:
        """From now on the records are what counts. Raises RecordsError."""
        if self.is_doubted:
            self._write_whole(_line(0, bytes(32)))
            self.is_doubted = False

    def note(self, count: int, check: Digest) -> None:
        """Raises RecordsError."""
        with self._mutex:
            if self.is_doubted or count <= self._count:
                return
            try:
                if self._descriptor < 0:
                    if self._written is None:
                        self._write_whole(_line(0, bytes(32)))
                    self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                os.pwrite(self._descriptor, _line(count, check), 0)
            except OSError as error:
                raise self._failed(error) from error
            self._count = count

    def _write_whole(self, data: bytes) -> None:
        try:
            write_file_atomically(self._path, data, 0o600)
        except OSError as error:
            raise self._failed(error) from error
        self._written = data

    def _failed(self, error: OSError) -> RecordsError:
        return RecordsError(f"{self._path}: {error.strerror or error}")


def _line(count: int, check: Digest) -> bytes:
    return f"{count:020d} {check.hex()}\n".encode()
