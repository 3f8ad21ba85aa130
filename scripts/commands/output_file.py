"""The file of a command's result: proven writable before the work begins, and never half of one after it."""

from __future__ import annotations

import atexit
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Final

import typer

from scripts.commands.outcome import OutputError, reason
from storage.durable_file import TEMPORARY_PREFIX, sync_folder, write_new_file

_OPEN: Final[dict[str, OutputFile]] = {}  # by real path


class OutputFile:
    """Type of an option: ``typer.Option(parser=OutputFile)``.

    Of a file, new or there already, a temporary one is made beside it and renamed over it by :meth:`write`; it goes
    when it is not written. A pipe or device (``/dev/stdout``) is written into. Raises OutputError, also for a file that
    another option of the same command writes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._temporary: str | None = None
        try:
            self._target = os.path.realpath(path)
            if self._target in _OPEN:
                raise OutputError(f"{path}: two options write this one file; give each its own")
            self._descriptor = self._open()
        except (OSError, ValueError) as error:
            why = _explained(error, self.path) if isinstance(error, OSError) else str(error)
            raise OutputError(f"{path}: {why}; nothing was done yet") from error
        _OPEN[self._target] = self

    def __str__(self) -> str:
        return str(self.path)

    def write(self, data: bytes) -> None:
        """All of the file, once. Raises OutputError: a file that was there is then as it was."""
        try:
            with os.fdopen(self._descriptor, "wb", closefd=False) as file:
                file.write(data)
            if self._temporary is not None:
                os.fsync(self._descriptor)
                os.replace(self._temporary, self._target)
                self._temporary = None
                sync_folder(Path(self._target).parent)
        except OSError as error:
            raise OutputError(f"{self.path}: {reason(error)}") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Leaves nothing behind of a file that was not written; does nothing after :meth:`write`."""
        if _OPEN.pop(self._target, None) is not None:
            os.close(self._descriptor)
            if self._temporary is not None:
                Path(self._temporary).unlink(missing_ok=True)

    def _open(self) -> int:
        """Descriptor of what :meth:`write` fills."""
        try:
            mode = os.stat(self._target).st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if mode is not None and not stat.S_ISREG(mode):
            # a pipe that nobody reads would be waited for, else
            descriptor = os.open(self._target, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            os.set_blocking(descriptor, True)
            return descriptor
        if mode is not None and not os.access(self._target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        temporary = os.path.join(os.path.dirname(self._target), TEMPORARY_PREFIX + secrets.token_hex(8))
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._temporary = temporary
        if mode is not None:
            os.fchmod(descriptor, stat.S_IMODE(mode))
        return descriptor


def _explained(error: OSError, path: Path) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no folder {path.parent}; make it first"
    if error.errno == errno.ENXIO:
        return "nobody reads this pipe"
    return reason(error)


def provable(path: str | Path) -> Path:
    """The path of a file that is written much later and by others: proven writable now. Raises OutputError."""
    file = OutputFile(path)
    file.discard()
    return file.path


def provable_folder(path: str | Path) -> Path:
    """Likewise of a folder, which may be still to be made. Raises OutputError."""
    folder = Path(path)
    try:
        nearest = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        if not nearest.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        provable(nearest / f"{TEMPORARY_PREFIX}probe")
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: {reason(error) if isinstance(error, OSError) else error}") from error
    return folder


def write_new(path: Path, data: bytes) -> None:
    """Where nothing is, and never over anything. Raises BadParameter for what is there, OutputError."""
    try:
        write_new_file(path, data, 0o666)
    except FileExistsError as error:
        raise typer.BadParameter(f"{path} exists, and is not written over") from error
    except (OSError, ValueError) as error:
        why = _explained(error, path) if isinstance(error, OSError) else str(error)
        raise OutputError(f"{path}: {why}") from error


@atexit.register
def discard_unwritten() -> None:
    """Every file that the command has not written."""
    for file in list(_OPEN.values()):
        file.discard()
