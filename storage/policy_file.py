"""The file of a policy, read whole and within bounds; what it says is for its owner's process to parse."""

from __future__ import annotations

from pathlib import Path

from protocol.errors import MalformedError
from protocol.strict_toml import MAX_TOML_BYTES


def read_policy_file(path: Path) -> bytes:
    """Up to one byte more than may be parsed; nothing, which stands for the defaults, without a file.

    Raises MalformedError.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_TOML_BYTES + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise MalformedError(f"{path}: {error.strerror}") from error
