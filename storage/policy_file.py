"""The file of a policy, read whole and within bounds; what it says is for its owner's process to parse."""

from __future__ import annotations

from pathlib import Path

from protocol.errors import MalformedError
from protocol.strict_toml import MAX_TOML_BYTES
from storage.bounded_file import read_bounded


def read_policy_file(path: Path) -> bytes:
    """Nothing, which stands for the defaults, without a file.

    Raises MalformedError.
    """
    try:
        return read_bounded(path, MAX_TOML_BYTES)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise MalformedError(f"{path}: {error.strerror}") from error
