"""Whole files that are either absent or complete on disk, whenever the process or the machine stops."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

TEMPORARY_PREFIX = ".partial-"


def write_file_atomically(path: Path, data: bytes, mode: int) -> None:
    """Writes beside ``path``, syncs, renames over it, syncs the folder. Raises OSError: ``path`` is then as before. A
    pipe or a device is never replaced."""
    if _is_special(path):
        raise FileExistsError(errno.EEXIST, "a pipe or a device is there", str(path))
    descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_ready_file(path: Path, data: bytes, mode: int) -> None:
    """For whoever waits for it: whole, or into the pipe or device that is there. Raises OSError, also for a pipe that
    nobody reads."""
    if not _is_special(path):
        write_file_atomically(path, data, mode)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(data)


def write_new_file(path: Path, data: bytes, mode: int) -> None:
    """Only where nothing is, whoever else tries the same. Raises OSError: FileExistsError leaves what was there, after
    any other nothing is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def sync_folder(folder: Path) -> None:
    """Makes the folder's entries (a new, renamed or removed file) survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
