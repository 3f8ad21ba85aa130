"""One encrypted file with all that a household cannot get back from chain and content (ADR 64).

Inside is a sequence of files, each behind a header of its path, its size and its digest. Journals are as they were at
one moment each; nothing is unpickled, and no path leads out of the household.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from client_agent.household_folder import TASKS, HouseholdFolder
from protocol.canonical import decode, encode
from protocol.errors import MalformedError
from protocol.identifiers import Digest, Range, sha256
from protocol.randomness import Randomness
from storage.bounded_file import read_bounded
from storage.durable_file import TEMPORARY_PREFIX, sync_folder
from storage.encrypted_file import LOG_N, EncryptedFileError, EncryptedReader, EncryptedWriter
from storage.records.snapshot import FILES, is_journal, read_snapshot

KIND: Final = "hearth-backup/1"
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
MAX_BYTES: Final = 2 * 1024 * 1024 * 1024
MAX_FILES: Final = 20_000
NO_FOLDERS: Final[Mapping[str, Path]] = {}
MIN_PASSPHRASE: Final = 10  # characters: whoever finds the file may try as many as they like
_MAX_HEADER_BYTES: Final = 4 * 1024
_DATABASES: Final = (".sqlite", ".sqlite3", ".db")
_EXAMPLES: Final = ".safetensors"
_BESIDE: Final = ("-wal", "-shm", "-journal")  # of a database: a copy of it needs none of them


class BackupError(EncryptedFileError):
    """A backup that cannot be written, or what is no backup, or one that cannot be put back here."""

    code = "E_BACKUP"


@dataclass(frozen=True, slots=True)
class FileHeader:
    """``path``: inside the household's folder, parts with strokes between them."""

    path: Annotated[str, Range(1, 1_000)]
    size: Annotated[int, Range(0, MAX_FILE_BYTES)]
    digest: Digest


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """``bytes``: before encryption."""

    files: int
    bytes: int


def write_backup(
    household: HouseholdFolder,
    target: Path,
    passphrase: str,
    randomness: Randomness,
    *,
    folders: Mapping[str, Path] = NO_FOLDERS,
    files: Sequence[Path] = (),
    readings: bool = False,
    log_n: int = LOG_N,
) -> BackupSummary:
    """All of the household's folder, while its phones run, too; ``target`` is whole or as it was.

    ``folders``: of tasks that are elsewhere, by the name that ``task_folder_name`` gives them; ``files``: keystores
    that are. ``readings``: databases and examples as well. Raises BackupError, RecordsError; MalformedError for a file
    that is too large.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise BackupError(f"a passphrase has at least {MIN_PASSPHRASE} characters")
    target = Path(os.path.realpath(target))
    count, total, seen = 0, 0, set[str]()
    try:
        if target.exists() and not target.is_file():
            raise BackupError(f"{target}: is there, and no file: a backup is written beside its place and put over it")
        descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=target.parent)
    except OSError as error:
        raise BackupError(f"{target}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            writer = EncryptedWriter(file, KIND, passphrase, randomness, log_n)
            for path, data in _contents(household, target, folders, files, readings):
                if path in seen:
                    raise BackupError(f"two files would be {path}: name each folder and keystore once")
                seen.add(path)
                header = encode(FileHeader(path, len(data), sha256(data)))
                writer.write(len(header).to_bytes(4, "big") + header)
                writer.write(data)
                count, total = count + 1, total + len(data)
                if count > MAX_FILES or total > MAX_BYTES:
                    raise BackupError(f"more than {MAX_FILES} files or {MAX_BYTES} bytes; leave the readings out")
            if not count:
                raise BackupError(f"{household.path}: there is nothing in it")
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
        sync_folder(target.parent)
    except OSError as error:
        raise BackupError(f"{error.filename or target}: {error.strerror or error}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return BackupSummary(count, total)


def read_backup(file: BinaryIO, passphrase: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file, each once. Raises BackupError, also after some of them: then none counts."""
    try:
        reader, seen, total = EncryptedReader(file, KIND, passphrase), set[str](), 0
        while length := reader.take(4):
            size = int.from_bytes(length, "big")
            header = decode(FileHeader, reader.take(min(size, _MAX_HEADER_BYTES + 1)), _MAX_HEADER_BYTES)
            data = reader.take(header.size)
            total += len(data)
            if header.path in seen or len(seen) == MAX_FILES or total > MAX_BYTES:
                raise BackupError("it holds a file twice, or more than a backup may")
            if sha256(data) != header.digest or not _leads_inside(header.path):
                raise BackupError(f"it holds a file that is cut, or that lies outside: {header.path}")
            seen.add(header.path)
            yield header.path, data
    except MalformedError as error:
        raise BackupError(f"it holds something that is no file: {error.args[0]}") from error
    except OSError as error:
        raise BackupError(f"it cannot be read: {error.strerror}") from error
    if not seen:
        raise BackupError("it holds nothing")


def _leads_inside(path: str) -> bool:
    parts = path.split("/")
    return all(part not in ("", ".", "..") and "\0" not in part and len(part.encode()) <= 255 for part in parts)


def _contents(
    household: HouseholdFolder, target: Path, folders: Mapping[str, Path], files: Sequence[Path], readings: bool
) -> Iterator[tuple[str, bytes]]:
    """Tasks first and the privacy ledger after them: it then has whatever they have charged."""
    for folder in household.task_folders():
        yield from _folder(folder, f"{TASKS}/{folder.name}/", target, readings)
    for name, folder in folders.items():
        yield from _folder(folder, f"{TASKS}/{name}/", target, readings)
    yield from _folder(household.path, "", target, readings, (TASKS,))
    for path in files:
        yield path.name, read_bounded(path, MAX_FILE_BYTES)


def _folder(
    folder: Path, prefix: str, target: Path, readings: bool, without: Sequence[str] = ()
) -> Iterator[tuple[str, bytes]]:
    """Its regular files and those below it, in one order; links are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path, name = Path(entry.path), prefix + entry.name
        mode = entry.stat(follow_symlinks=False).st_mode
        if (
            entry.name in without
            or entry.name.startswith(TEMPORARY_PREFIX)
            or os.path.realpath(entry.path) == str(target)
        ):
            continue
        if stat.S_ISDIR(mode):
            if not entry.name.endswith(FILES):
                yield from _folder(path, f"{name}/", target, readings)
        elif stat.S_ISREG(mode):
            yield from _file(path, name, readings)


def _file(path: Path, name: str, readings: bool) -> Iterator[tuple[str, bytes]]:
    if path.name.endswith((*_DATABASES, _EXAMPLES, *(end + beside for end in _DATABASES for beside in _BESIDE))):
        if readings and path.name.endswith(_DATABASES):
            yield name, _database(path)
        elif readings and path.name.endswith(_EXAMPLES):
            yield name, read_bounded(path, MAX_FILE_BYTES)
    elif is_journal(path):
        above = name.removesuffix(path.name)
        yield from ((above + part, data) for part, data in read_snapshot(path, MAX_FILE_BYTES).items())
    else:
        yield name, read_bounded(path, MAX_FILE_BYTES)


def _database(path: Path) -> bytes:
    """As it is between two transactions."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.serialize()
    except sqlite3.Error as error:
        raise BackupError(f"{path}: {error}") from error
