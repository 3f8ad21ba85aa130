"""Reads a small file that somebody else wrote: not more of it than it may have, and never waiting for it."""

from __future__ import annotations

import os
from pathlib import Path

from protocol.errors import MalformedError


def read_bounded(path: Path, most: int) -> bytes:
    """All of it. A pipe is read to its end, and is empty when nobody writes into it: opening it would wait for ever.

    Raises OSError, and MalformedError for more than ``most`` bytes, or for a name that no file can have.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a zero byte
        raise MalformedError(f"{str(path)!r}: {error}") from error
    with os.fdopen(descriptor, "rb") as file:
        os.set_blocking(descriptor, True)
        data = file.read(most + 1)
    if len(data) > most:
        raise MalformedError(f"{path}: larger than {most} bytes")
    return data
