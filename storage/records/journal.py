"""The durable append-only log of a phone, an edge server or the key authority: what is appended survives any kill.

Each line is canonical JSON with a sequence number and a SHA-256 checksum over itself and the previous checksum.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from protocol.errors import HearthError, MalformedError
from protocol.identifiers import ZERO_DIGEST, Digest, from_hex, sha256, to_hex
from storage.durable_file import TEMPORARY_PREFIX, sync_folder, write_file_atomically

MAX_LINE_BYTES = 65_536
MAX_FILE_BYTES = 256 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")

Value = int | str | bytes


class JournalError(HearthError):
    """The journal's files cannot be read or written; after a failed ``append`` only reopening tells what it holds."""

    code = "E_JOURNAL"


class JournalCorruptError(JournalError):
    """A line that was once complete is damaged, missing or out of order."""

    code = "E_JOURNAL_CORRUPT"


class JournalBusyError(JournalError):
    """Another process (or another object in this one) owns the journal."""

    code = "E_JOURNAL_BUSY"


@dataclass(frozen=True, slots=True)
class Entry:
    """One appended fact. Values are ``int``, ASCII ``str`` or ``bytes``, exactly as appended."""

    kind: str
    fields: dict[str, Value]


class Journal:
    """Owns ``path`` exclusively until closed; opening replays and checks every line.

    A last line without its end, from a process killed while writing, was never acknowledged and is removed.
    Larger blobs lie in the folder ``<path>.files``. Files are 0600, folders made here 0700.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = path.with_name(path.name + ".files")
        self._mutex = threading.Lock()
        self._count, self._check, self._length = 0, ZERO_DIGEST, 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise JournalError(f"{path}: cannot open: {error}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._descriptor, 0o600)
            self._replay()
            sync_folder(path.parent)
        except BlockingIOError as error:
            self.close()
            raise JournalBusyError(f"{path}: in use by another process") from error
        except OSError as error:
            self.close()
            raise JournalError(f"{path}: cannot open: {error}") from error
        except JournalError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Releases the lock; the journal cannot be used any more."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def append(self, kind: str, /, **fields: Value) -> None:
        """Writes one line and returns once it is on disk. Raises MalformedError (nothing written) or JournalError."""
        with self._mutex:
            body = {"fields": {name: _plain(value) for name, value in fields.items()}, "kind": kind}
            line, check = _line(body, self._count, self._check)
            if not _is_name(kind) or len(line) > MAX_LINE_BYTES:
                raise MalformedError(f"no entry of kind {kind[:64]!r} and {len(line)} bytes; use write_file for blobs")
            try:
                written = os.write(self._descriptor, line)
                if written != len(line):
                    raise OSError(f"{written} of {len(line)} bytes written")
                os.fsync(self._descriptor)
            except OSError as error:
                self.close()  # what is on disk is unknown now: no further line may follow it
                raise JournalError(f"{self._path}: append failed: {error}") from error
            self._count, self._check, self._length = self._count + 1, check, self._length + len(line)

    def entries(self) -> Iterator[Entry]:
        """Reads and checks the journal from its start, up to the last entry at the time of the call."""
        end = self._length
        if self._descriptor < 0:
            raise JournalError(f"{self._path}: closed")
        return self._entries_up_to(end)

    def write_file(self, name: str, data: bytes) -> None:
        """Keeps a blob, replacing one of that name; the caller records its digest by ``append``, afterwards."""
        path = self._file(name)
        try:
            if not self._files.is_dir():
                self._files.mkdir(mode=0o700)
                sync_folder(self._files.parent)
            write_file_atomically(path, data, mode=0o600)
        except OSError as error:
            raise JournalError(f"{path}: cannot write: {error}") from error

    def read_file(self, name: str, max_bytes: int = MAX_FILE_BYTES) -> bytes:
        """The blob of that name, unverified: the caller compares the digest it recorded. Raises JournalError."""
        path = self._file(name)
        try:
            with path.open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise JournalError(f"{path}: cannot read: {error}") from error
        if len(data) > max_bytes:
            raise JournalError(f"{path}: larger than {max_bytes} bytes")
        return data

    def remove_file(self, name: str) -> None:
        """Removes the blob of that name if there is one; what the medium keeps of it is beyond this program."""
        path = self._file(name)
        try:
            path.unlink()
            sync_folder(self._files)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise JournalError(f"{path}: cannot remove: {error}") from error

    def file_names(self) -> list[str]:
        """Of all blobs, ascending."""
        return sorted(path.name for path in self._files.iterdir()) if self._files.is_dir() else []

    def _file(self, name: str) -> Path:
        if self._descriptor < 0:
            raise JournalError(f"{self._path}: closed")
        if not _NAME.fullmatch(name):
            raise MalformedError(f"not a file name: {name[:64]!r}")
        return self._files / name

    def _replay(self) -> None:
        with self._path.open("rb") as file:
            for line in _complete_lines(file):
                _, self._check = _parse(line, self._count, self._check)
                self._count, self._length = self._count + 1, self._length + len(line)
            file.seek(self._length)
            torn = file.read(MAX_LINE_BYTES + 1)
        if torn:
            self._refuse_damaged_end(torn)
            os.ftruncate(self._descriptor, self._length)
            os.fsync(self._descriptor)
        for leftover in self._files.glob(TEMPORARY_PREFIX + "*"):
            leftover.unlink()

    def _refuse_damaged_end(self, torn: bytes) -> None:
        """A torn write is a line without its end, not a whole line with something else in place of its line feed."""
        try:
            _parse(torn[:-1] + b"\n", self._count, self._check)
        except JournalCorruptError:
            if len(torn) <= MAX_LINE_BYTES:
                return
        raise JournalCorruptError(f"{self._path}: the end of line {self._count} is damaged")

    def _entries_up_to(self, end: int) -> Iterator[Entry]:
        position, count, check = 0, 0, ZERO_DIGEST
        with self._path.open("rb") as file:
            for line in _complete_lines(file):
                if position == end:
                    return
                entry, check = _parse(line, count, check)
                position, count = position + len(line), count + 1
                yield entry
        if position != end:
            raise JournalCorruptError(f"{self._path}: {end - position} bytes are gone")


def _complete_lines(file: BinaryIO) -> Iterator[bytes]:
    while (line := file.readline(MAX_LINE_BYTES + 1)).endswith(b"\n"):
        yield line


def _is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()


def _plain(value: Value) -> int | str:
    if isinstance(value, bytes):
        return to_hex(value)
    if type(value) is int and abs(value) < 2**256:
        return value
    if isinstance(value, str) and value.isascii() and not value.startswith("0x"):
        return value
    raise MalformedError(
        f"a journal keeps 256-bit int, bytes and ASCII str without 0x, not this {type(value).__name__}"
    )


def _typed(plain: Any) -> Value:
    return from_hex(plain) if isinstance(plain, str) and plain.startswith("0x") else plain


def _dump(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def _line(body: dict[str, Any], sequence: int, previous: Digest) -> tuple[bytes, Digest]:
    numbered = {"fields": body["fields"], "kind": body["kind"], "sequence": sequence}
    check = sha256(previous + _dump(numbered))
    return _dump({**numbered, "check": to_hex(check)}) + b"\n", check


def _parse(line: bytes, sequence: int, previous: Digest) -> tuple[Entry, Digest]:
    """Rebuilds the line from what it says; any difference is damage."""
    try:
        body = json.loads(line.decode("ascii"))
        expected, check = _line(body, sequence, previous)
        if expected == line:
            return Entry(body["kind"], {name: _typed(plain) for name, plain in body["fields"].items()}), check
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MalformedError) as error:
        raise JournalCorruptError(f"line {sequence} is damaged: {error!r:.200}") from error
    raise JournalCorruptError(f"line {sequence} is damaged: its checksum or number is wrong")
