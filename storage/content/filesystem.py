"""A content store in a folder: one file per object, named by its root CID; several processes may share it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from protocol.content.cid import CHUNK_BYTES, Cid
from storage.content.interface import (
    ContentCorruptError,
    ContentMissingError,
    ContentTooLargeError,
    StoreUnavailableError,
    address_for_put,
    verified,
)
from storage.durable_file import write_file_atomically


class FilesystemStore:
    """The folder is made by the first ``put``; everything found in it is verified."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
        cid = address_for_put(data, chunk_bytes)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_file_atomically(self.folder / cid.text, data, mode=0o644)
        except OSError as error:
            raise StoreUnavailableError(f"{self.folder}: cannot write {cid.text}: {_why(error)}") from error
        return cid

    def get(self, cid: Cid, max_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> bytes:
        return verified(self._read(cid, max_bytes), cid, max_bytes, chunk_bytes)

    def pinned(self, cid: Cid) -> bool:
        """A file stays as long as nobody removes it."""
        return (self.folder / cid.text).is_file()

    def unpin(self, cid: Cid) -> None:
        try:
            (self.folder / cid.text).unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailableError(f"{self.folder}: cannot remove {cid.text}: {_why(error)}") from error

    def _read(self, cid: Cid, max_bytes: int) -> bytes:
        path = self.folder / cid.text
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise ContentCorruptError(f"{cid.text}: not a regular file")
            # the file may be replaced meanwhile: a link could lead anywhere, opening a pipe would wait for its writer
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                size = os.fstat(descriptor).st_size
                if size > max_bytes:
                    raise ContentTooLargeError(f"{cid.text}: {size} bytes exceed the limit of {max_bytes}")
                return file.read(max_bytes + 1)  # it may have grown since
        except FileNotFoundError as error:
            if self.folder.is_dir():
                raise ContentMissingError(f"{cid.text}: not in {self.folder}") from error
            raise StoreUnavailableError(f"{self.folder}: no such folder", lasting=True) from error
        except OSError as error:
            what = f"{self.folder}: cannot read {cid.text}: {_why(error)}"
            if os.path.isdir(self.folder) and os.access(self.folder, os.X_OK):
                raise ContentMissingError(what) from error  # of the other files nothing is known
            raise StoreUnavailableError(what, lasting=True) from error


def _why(error: OSError) -> str:
    return error.strerror or str(error)
