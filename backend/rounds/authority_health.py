"""When each key authority was last asked, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from protocol.errors import HearthError
from protocol.identifiers import Address


@dataclass(frozen=True, slots=True)
class Heard:
    """Instants in seconds of block time; 0: never. ``code``: of the last question's error; empty when it was answered.

    No more of the error: it may name a host that is nobody's business.
    """

    answered: int = 0
    failed: int = 0
    code: str = ""


class AuthorityHealth:
    """May be shared by threads."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._heard: dict[Address, Heard] = {}

    def heard(self, authority: Address, error: HearthError | None, _seconds: float = 0.0) -> None:
        """One question: None, or why there was no usable answer."""
        with self._lock:
            known, now = self._heard.get(authority, Heard()), self._now()
            if error is None:
                self._heard[authority] = Heard(now, known.failed)
            else:
                self._heard[authority] = replace(known, failed=now, code=error.code)

    def all(self) -> Mapping[Address, Heard]:
        with self._lock:
            return dict(self._heard)
