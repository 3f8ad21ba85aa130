"""What a file of examples is known by: its place, and its content, so that neither a copy nor an edit is a new one."""

from __future__ import annotations

import os
from pathlib import Path

from protocol.identifiers import Digest, sha256

Fingerprints = tuple[Digest, Digest]


def fingerprints_of(path: Path, content: bytes) -> Fingerprints:
    """Of the place and of the content."""
    return sha256(b"place" + os.fsencode(path.resolve())), sha256(b"content" + sha256(content))
