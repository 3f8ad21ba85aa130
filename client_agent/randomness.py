"""The phone's own source of randomness: the operating system's, unless a demonstration gives a seed."""

from __future__ import annotations

import os


class SystemRandomness:
    """Fresh bytes at every draw; purposes are names only."""

    def draw(self, purpose: str, size: int) -> bytes:
        return os.urandom(size)
