"""What a file of examples is known by: its place, and its content, so that neither a copy nor an edit is a new one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from client_agent.data.loader import DataMissingError
from protocol.identifiers import Digest, sha256


def fingerprints_of(path: Path) -> tuple[Digest, Digest]:
    """Of the place and of the content. Raises DataMissingError."""
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataMissingError(f"{path}: {error.strerror}") from error
    return sha256(b"place" + os.fsencode(path.resolve())), sha256(b"content" + content)
