"""Randomness as an argument: every random choice names its purpose.

:class:`SeededRandomness` makes a run repeatable (same seed, same bytes, whatever the order of the
draws); it is for tests and demonstrations, and on a phone for noise that must come back after a restart, under a
secret of 32 bytes from the system source alone. That one lives with the phone, because this package touches no global
randomness.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

from protocol.streams import ctr_stream


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
        return ctr_stream(hmac.digest(self._seed, purpose.encode(), hashlib.sha256), size)

    def fork(self, purpose: str) -> SeededRandomness:
        """A source for another party or scope, independent of this one's own draws."""
        return SeededRandomness(hmac.digest(self._seed, b"fork/" + purpose.encode(), hashlib.sha256))
