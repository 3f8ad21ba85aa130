"""Whether the peer of a request is still there, for a request that waits: a place is not kept for who has left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

GONE: Final = "hearth.gone"  # of a request that waits, in its scope


class Gone:
    """``wake``: what ends the wait, while there is one."""

    def __init__(self) -> None:
        self.is_gone = False
        self.wake: Callable[[], None] | None = None

    def leave(self) -> None:
        self.is_gone = True
        if self.wake is not None:
            self.wake()
