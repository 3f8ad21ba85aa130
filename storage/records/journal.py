"""Records in a file of their own, append-only: what is appended survives any kill.

Each line is a batch behind a SHA-256 checksum over itself and the previous checksum. Blobs lie beside it, each in a
file that is named by its digest too, so that one can be replaced: the line says which of them count.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Self

from protocol.canonical import encode
from protocol.errors import MalformedError
from protocol.identifiers import ZERO_DIGEST, Digest, sha256
from storage.durable_file import sync_folder, write_file_atomically
from storage.records.codec import MAX_BATCH_BYTES, Batch, StoredBlob, StoredEntry, decode_batch, encode_change, typed
from storage.records.interface import (
    MAX_BLOB_BYTES,
    Change,
    EntryT,
    OvertakenError,
    RecordsBusyError,
    RecordsDamagedError,
    RecordsError,
)
from storage.records.leases import Leases

MAX_LINE_BYTES: Final = 64 + 1 + MAX_BATCH_BYTES + 1  # checksum in hex, space, batch, line feed


class Journal:
    """Owns ``path`` exclusively until closed; opening checks every line.

    A last line without its end, from a process killed while writing, was never acknowledged and is removed, and so is
    every blob that no line names any more. Blobs lie in the folder ``<path>.files``. Files are 0600, folders made here
    0700.
    """

    def __init__(self, path: Path, wait: bool = False) -> None:
        """``wait``: until whoever has it open closes it, for a journal that each opens only for a moment."""
        self._path = path
        self._files = path.with_name(path.name + ".files")
        self._mutex = threading.Lock()
        self._count, self._check, self._length = 0, ZERO_DIGEST, 0
        self._blobs: dict[str, Digest] = {}
        self._leases = Leases()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise RecordsError(f"{path}: cannot open: {error.strerror}; is the folder one to write into?") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.fchmod(self._descriptor, 0o600)
            self._check_lines()
            self._erase_unnamed()
            sync_folder(path.parent)
        except BlockingIOError as error:
            self.close()
            raise RecordsBusyError(f"{path}: in use by another process: one folder, one process at a time") from error
        except OSError as error:
            self.close()
            raise RecordsError(f"{path}: cannot open: {error.strerror or error}") from error
        except RecordsError:
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

    def append(self, change: Change, after: int) -> None:
        """Blobs, then the line that names them, then what it replaces is erased; a kill before the line undoes all."""
        batch, encoded = encode_change(change)
        self._append(batch, encoded, change.keep, after)

    def _append(self, batch: Batch, encoded: bytes, keep: Mapping[str, bytes], after: int) -> None:
        with self._mutex:
            self._refuse_closed()
            if after != self._count:
                raise OvertakenError(f"{self._path}: {self._count} entries where {after} had been read")
            try:
                for kept in batch.kept:
                    self._write_blob(self._blob_file(kept.name, kept.digest), keep[kept.name])
            except OSError as error:
                raise RecordsError(f"{self._path}: cannot write {kept.name}: {error.strerror or error}") from error
            try:
                self._write_line(encoded)
                self._erase(self._note(batch))
            except OSError as error:
                self.close()  # what is on disk is unknown now: no further line may follow it
                raise RecordsError(f"{self._path}: append failed: {error.strerror or error}") from error

    def fill(self, entries: Iterable[StoredEntry], blobs: Iterable[tuple[StoredBlob, bytes]]) -> None:
        """An empty journal, a line for each; whoever is killed meanwhile leaves a part of it. Raises OvertakenError
        where there is something, RecordsError."""
        count = 0
        for count, stored in enumerate(entries, 1):
            batch = Batch((stored,), (), ())
            self._append(batch, encode(batch), {}, count - 1)
        for kept, content in blobs:
            batch = Batch((), (kept,), ())
            self._append(batch, encode(batch), {kept.name: content}, count)

    def stored(self) -> Iterator[StoredEntry]:
        """All entries as they are written, of any type."""
        with self._mutex:
            self._refuse_closed()
            return self._stored(0, self._length)

    def kept(self) -> dict[str, Digest]:
        """Digests of all blobs by their names."""
        with self._mutex:
            return dict(self._blobs)

    def read(self, types: Sequence[type[EntryT]], after: int = 0) -> Iterator[EntryT]:
        """Checks the journal again from its start, up to the last entry at the time of the call."""
        with self._mutex:
            if after == self._count:
                return iter(())
            self._refuse_closed()
            entries = self._stored(after, self._length)
        return (typed(stored, types) for stored in entries)

    def blob(self, name: str, max_bytes: int = MAX_BLOB_BYTES) -> bytes:
        with self._mutex:
            self._refuse_closed()
            digest = self._blobs.get(name)
        if digest is None:
            raise RecordsError(f"{self._path}: nothing is kept as {name[:64]!r}")
        try:
            with self._blob_file(name, digest).open("rb") as file:
                data = file.read(max_bytes + 1)
        except OSError as error:
            raise RecordsError(f"{self._path}: cannot read {name}: {error.strerror or error}") from error
        if len(data) > max_bytes:
            raise RecordsError(f"{name}: larger than {max_bytes} bytes")
        if sha256(data) != digest:
            raise RecordsDamagedError(f"{self._path}: {name} is not what was recorded")
        return data

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        """The file's lock keeps every other process out, so a lease need not outlive this one."""
        return self._leases.claim(name, holder, until, now)

    def _refuse_closed(self) -> None:
        if self._descriptor < 0:
            raise RecordsError(f"{self._path}: closed")

    def _write_blob(self, path: Path, data: bytes) -> None:
        if not self._files.is_dir():
            self._files.mkdir(mode=0o700)
            sync_folder(self._files.parent)
        write_file_atomically(path, data, mode=0o600)

    def _write_line(self, encoded: bytes) -> None:
        line, self._check = _line(encoded, self._check)
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"{written} of {len(line)} bytes written")
        os.fsync(self._descriptor)
        self._length += len(line)

    def _note(self, batch: Batch) -> list[Path]:
        """Counts the batch in. Returns the files that hold no blob any more."""
        before = {name: self._blobs.pop(name) for name in batch.removed if name in self._blobs}
        before |= {kept.name: self._blobs[kept.name] for kept in batch.kept if kept.name in self._blobs}
        self._blobs |= {kept.name: kept.digest for kept in batch.kept}
        self._count += len(batch.entries)
        return [self._blob_file(name, digest) for name, digest in before.items() if self._blobs.get(name) != digest]

    def _erase(self, files: Sequence[Path]) -> None:
        """What the medium keeps of them is beyond this program."""
        for path in files:
            path.unlink(missing_ok=True)
        if files:
            sync_folder(self._files)

    def _erase_unnamed(self) -> None:
        """Blobs whose line was never written or whose removal was not finished, and parts of blobs."""
        named = {self._blob_file(name, digest) for name, digest in self._blobs.items()}
        if self._files.is_dir():
            self._erase([path for path in self._files.iterdir() if path not in named])

    def _blob_file(self, name: str, digest: Digest) -> Path:
        return self._files / f"{name}.{digest.hex()}"

    def _check_lines(self) -> None:
        with self._path.open("rb") as file:
            for line in _complete_lines(file):
                batch, self._check = _parse(line, self._check)
                self._note(batch)
                self._length += len(line)
            file.seek(self._length)
            torn = file.read(MAX_LINE_BYTES + 1)
        if torn:
            self._refuse_damaged_end(torn)
            os.ftruncate(self._descriptor, self._length)
            os.fsync(self._descriptor)

    def _refuse_damaged_end(self, torn: bytes) -> None:
        """A torn write is a line without its end, not a whole line with something else in place of its line feed."""
        try:
            _parse(torn[:-1] + b"\n", self._check)
        except RecordsDamagedError:
            if len(torn) <= MAX_LINE_BYTES:
                return
        raise RecordsDamagedError(f"{self._path}: the end is damaged, behind {self._count} entries")

    def _stored(self, after: int, end: int) -> Iterator[StoredEntry]:
        position, count, check = 0, 0, ZERO_DIGEST
        with self._path.open("rb") as file:
            for line in _complete_lines(file):
                if position == end:
                    return
                batch, check = _parse(line, check)
                position += len(line)
                for stored in batch.entries:
                    count += 1
                    if count > after:
                        yield stored
        if position != end:
            raise RecordsDamagedError(f"{self._path}: {end - position} bytes are gone")


def _complete_lines(file: BinaryIO) -> Iterator[bytes]:
    while (line := file.readline(MAX_LINE_BYTES + 1)).endswith(b"\n"):
        yield line


def _line(encoded: bytes, previous: Digest) -> tuple[bytes, Digest]:
    check = sha256(previous + encoded)
    return check.hex().encode() + b" " + encoded + b"\n", check


def _parse(line: bytes, previous: Digest) -> tuple[Batch, Digest]:
    """Rebuilds the line from what it says; any difference is damage."""
    encoded = line[65:-1]
    expected, check = _line(encoded, previous)
    if line != expected:
        raise RecordsDamagedError("a line is damaged, missing or out of order: its checksum is wrong")
    try:
        return decode_batch(encoded), check
    except MalformedError as error:
        raise RecordsDamagedError(f"a line of another form: {error.args[0]}") from error
