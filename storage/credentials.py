"""Credentials for servers behind a reverse proxy: a file of URL prefixes, each with its Authorization header.

HEARTH_CREDENTIALS names the file, which only its owner may read. A line is a URL, blanks and the header's value:

    https://rpc.example.org/v3  Bearer 0123456789
    https://edge.example.org    Basic dXNlcjpwYXNzd29yZA==

The longest prefix counts; ``#`` begins a comment line. What stands there is never logged and never part of an error.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from protocol.errors import MalformedError

VARIABLE: Final = "HEARTH_CREDENTIALS"
MAX_CREDENTIALS_BYTES: Final = 64 * 1024
_LINE: Final = re.compile(r"(https?://[^\s@]+)[ \t]+([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_PORTS: Final = {"http": 80, "https": 443}


def authorization(url: str) -> str | None:
    """The header's value for this URL; None without one. Raises MalformedError for a file that cannot be used."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    parsed = urlsplit(url)
    found = [(prefix, value) for prefix, value in _read(Path(path)) if _covers(prefix, parsed)]
    return max(found, key=lambda one: len(one[0].path))[1] if found else None


def check_credentials() -> None:
    """Raises MalformedError for a file that cannot be used."""
    if path := os.environ.get(VARIABLE):
        _read(Path(path))


@lru_cache(maxsize=8)
def _read(path: Path) -> tuple[tuple[SplitResult, str], ...]:
    """Read once for each process."""
    try:
        with path.open("rb") as file:
            shared = os.fstat(file.fileno()).st_mode & 0o077
            content = file.read(MAX_CREDENTIALS_BYTES + 1)
    except OSError as error:
        raise MalformedError(f"{VARIABLE}: {path}: {error.strerror}") from error
    if shared:
        raise MalformedError(f"{VARIABLE}: others may read {path}; chmod 600 it")
    if len(content) > MAX_CREDENTIALS_BYTES:
        raise MalformedError(f"{VARIABLE}: {path}: larger than {MAX_CREDENTIALS_BYTES} bytes")
    entries = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise MalformedError(f"{VARIABLE}: {path}, line {number}: not a URL, blanks and the value of a header")
        entries.append((urlsplit(match[1]), match[2]))
    return tuple(entries)


def _covers(prefix: SplitResult, url: SplitResult) -> bool:
    """Scheme, host and port are the same, and the path begins with all segments of the prefix."""
    if _place(prefix) != _place(url):
        return False
    path = prefix.path.rstrip("/")
    return url.path == path or url.path.startswith(f"{path}/")


def _place(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)
