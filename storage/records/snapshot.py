"""A journal as it was at one moment, read without its lock: whoever appends to it meanwhile is not kept waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from protocol.errors import MalformedError
from protocol.identifiers import ZERO_DIGEST, Digest, from_hex, sha256
from storage.records.codec import MAX_BATCH_BYTES, Batch, decode_batch
from storage.records.interface import MAX_BLOB_BYTES, RecordsDamagedError, RecordsError

ATTEMPTS: Final = 16  # a blob that a later line replaces goes while it is read
FILES: Final = ".files"  # what the name of the folder of blobs ends with
_CHECK: Final = 64  # letters of a line's checksum
_MAX_LINE_BYTES: Final = _CHECK + 1 + MAX_BATCH_BYTES + 1


def is_journal(path: Path) -> bool:
    """By its first line. Raises OSError."""
    with path.open("rb") as file:
        try:
            _batch(file.readline(_MAX_LINE_BYTES + 1), ZERO_DIGEST)
        except RecordsError:
            return False
    return True


def read_snapshot(path: Path, max_bytes: int = MAX_BLOB_BYTES) -> dict[str, bytes]:
    """Its files by their names in the folder of ``path``, the journal first. Put elsewhere they are the same journal.

    ``max_bytes``: of all of them together. Raises RecordsDamagedError, and RecordsError for a journal that cannot be
    read or is larger.
    """
    for _ in range(ATTEMPTS):
        try:
            return _attempt(path, max_bytes)
        except FileNotFoundError as error:
            missing = error
        except OSError as error:
            raise RecordsError(f"{path}: cannot read: {error.strerror or error}") from error
    raise RecordsError(f"{path}: {missing.filename} is not there, or changes faster than it can be read")


def _attempt(path: Path, max_bytes: int) -> dict[str, bytes]:
    with path.open("rb") as file:
        lines, named = _read_lines(file, path, max_bytes)
    found, folder, left = {path.name: lines}, f"{path.name}{FILES}", max_bytes - len(lines)
    for name, digest in named.items():
        blob = f"{name}.{digest.hex()}"
        with (path.parent / folder / blob).open("rb") as file:
            data = file.read(left + 1)
        if len(data) > left:
            raise RecordsError(f"{path}: more than {max_bytes} bytes")
        if sha256(data) != digest:
            raise RecordsDamagedError(f"{path}: {name} is not what was recorded")
        found[f"{folder}/{blob}"], left = data, left - len(data)
    return found


def _read_lines(file: BinaryIO, path: Path, max_bytes: int) -> tuple[bytes, dict[str, Digest]]:
    """All whole lines, and the blobs that they name."""
    lines, check, named = list[bytes](), ZERO_DIGEST, dict[str, Digest]()
    for line in _whole_lines(file):
        check, batch = _batch(line, check)
        lines.append(line)
        for name in batch.removed:
            named.pop(name, None)
        named |= {kept.name: kept.digest for kept in batch.kept}
        if file.tell() > max_bytes:
            raise RecordsError(f"{path}: more than {max_bytes} bytes")
    return b"".join(lines), named


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    while (line := file.readline(_MAX_LINE_BYTES + 1)).endswith(b"\n"):
        yield line


def _batch(line: bytes, previous: Digest) -> tuple[Digest, Batch]:
    """Checksum and batch of a line. Raises RecordsDamagedError."""
    try:
        check, encoded = from_hex("0x" + line[:_CHECK].decode("ascii"), 32), line[_CHECK + 1 : -1]
        if line[_CHECK : _CHECK + 1] + line[-1:] != b" \n" or check != sha256(previous + encoded):
            raise MalformedError("another checksum")
        return check, decode_batch(encoded)
    except (MalformedError, ValueError) as error:
        raise RecordsDamagedError(f"a line is damaged, missing or out of order: {error}") from error
