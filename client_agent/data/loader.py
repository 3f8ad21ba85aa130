"""Where a household's examples come from: a port that is asked again before every training, and a file behind it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from client_agent.data.fingerprints import Fingerprints, fingerprints_of
from protocol.errors import HearthError, MalformedError
from protocol.model.dataset import Examples, decode_examples


class DataMissingError(HearthError):
    """A data set that is not on this machine."""

    code = "E_DATA_MISSING"


class Loader(Protocol):
    def load(self) -> Examples:
        """What the household has now; the very same object as long as nothing has changed. Raises MalformedError, or
        DataMissingError."""
        ...


class FileLoader:
    """A safetensors file, read again once it is another one; whoever changes it renames a finished file over it."""

    def __init__(self, path: Path, max_bytes: int, admit: Callable[[Fingerprints], None] = lambda _: None) -> None:
        """``admit`` is asked about every new content before it is used, and raises where it may not be."""
        self._path, self._max_bytes, self._admit = path, max_bytes, admit
        self._seen: tuple[int, ...] = ()
        self._examples: Examples | None = None

    def load(self) -> Examples:
        try:
            # a pipe would be waited for
            with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                state = os.fstat(file.fileno())
                if not stat.S_ISREG(state.st_mode):
                    raise DataMissingError(f"{self._path}: not a file that can be read again and again")
                found = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
                if self._examples is not None and found == self._seen:
                    return self._examples
                data = file.read(self._max_bytes + 1) if state.st_size <= self._max_bytes else None
        except OSError as error:
            raise DataMissingError(f"{self._path}: {error.strerror}") from error
        if data is None or len(data) > self._max_bytes:
            raise MalformedError(f"{self._path}: larger than {self._max_bytes} bytes")
        self._admit(fingerprints_of(self._path, data))
        try:
            self._examples = decode_examples(data)
        except MalformedError as error:
            raise MalformedError(f"{self._path}: {error.args[0]}") from error
        self._seen = found
        return self._examples
