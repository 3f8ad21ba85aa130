"""Leases between the threads of one process, for records that only one process can have open."""

from __future__ import annotations

import threading


class Leases:
    """They end with the process, and so may nobody who is gone hold one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held: dict[str, tuple[str, int]] = {}  # holder and end

    def claim(self, name: str, holder: str, until: int, now: int) -> bool:
        with self._mutex:
            held_by, end = self._held.get(name, (holder, now))
            if held_by != holder and now < end:
                return False
            self._held[name] = (holder, until)
            return True
