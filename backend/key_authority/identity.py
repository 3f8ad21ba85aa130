"""The key pair under which clients seal their shares: made once and kept, or derived for demonstrations."""

from __future__ import annotations

import os
from pathlib import Path

from protocol.encryption.envelope import SEED_BYTES, EncryptionKeyPair
from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.randomness import SeededRandomness
from storage.durable_file import write_file_atomically

KEY_FILE = "encryption-key"


class IdentityError(HearthError):
    """The key file cannot be read or written, or is not a key."""

    code = "E_IDENTITY"


class SystemRandomness:
    """The operating system's source; purposes are names only."""

    def draw(self, purpose: str, size: int) -> bytes:
        return os.urandom(size)


def derived_key_pair(seed: bytes, authority: Address) -> EncryptionKeyPair:
    """Repeatable, for demonstrations: whoever knows the seed opens every share."""
    return EncryptionKeyPair.generate(SeededRandomness(seed).fork(to_hex(authority)))


def kept_key_pair(folder: Path) -> EncryptionKeyPair:
    """The pair of ``folder``, drawn from the system at the first start; the file is 0600. Raises IdentityError.

    A damaged file is never replaced: shares sealed to its key would be lost.
    """
    path = folder / KEY_FILE
    try:
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file_atomically(path, EncryptionKeyPair.generate(SystemRandomness()).private_bytes(), 0o600)
        with path.open("rb") as file:
            seed = file.read(SEED_BYTES + 1)
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}") from error
    if len(seed) != SEED_BYTES:
        raise IdentityError(f"{path}: not a key of {SEED_BYTES} bytes")
    return EncryptionKeyPair(seed)
