"""Randomness as an argument: every random choice names its purpose.

:class:`SeededRandomness` makes a run repeatable (same seed, same bytes, whatever the order of the
draws); it is for tests and demonstrations, never for a household's own data. The system source lives with
the phone, because this package touches no global randomness.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class Randomness(Protocol):
    """A cryptographic source of bytes."""

    def draw(self, purpose: str, size: int) -> bytes:
        """``size`` random bytes for ``purpose``. One purpose is drawn at most once per key or label."""
        ...


class SeededRandomness:
    """Independent AES-256-CTR streams, one per purpose, under HMAC-SHA256(seed, purpose)."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def draw(self, purpose: str, size: int) -> bytes:
        return keystream(hmac.digest(self._seed, purpose.encode(), hashlib.sha256), size)

    def fork(self, purpose: str) -> SeededRandomness:
        """A source for another party or scope, independent of this one's own draws."""
        return SeededRandomness(hmac.digest(self._seed, b"fork/" + purpose.encode(), hashlib.sha256))


def keystream(key: bytes, size: int) -> bytes:
    """The first ``size`` bytes of AES-CTR under ``key`` (16 or 32 bytes), counter block from zero."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return encryptor.update(bytes(size))
