"""A Kubo daemon's fake that holds one question back, so that a test can act while whoever asked it is at work."""

from __future__ import annotations

import threading
from typing import Final

from fastapi import Request

from tests.ports.kubo_fake import KuboFake

PATIENCE_SECONDS: Final = 120.0


class GatedStore(KuboFake):
    """From :meth:`arm` on the ``nth`` question for content waits for :meth:`release`."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(host=host)
        self._lock, self._left = threading.Lock(), 0
        self._held, self._open = threading.Event(), threading.Event()
        self.asker = ("", 0)

    def arm(self, nth: int) -> None:
        self._left = nth

    def wait(self) -> tuple[str, int]:
        """Address and port of whoever waits."""
        assert self._held.wait(PATIENCE_SECONDS), "nobody asked so often"
        return self.asker

    @property
    def holds(self) -> bool:
        return self._held.is_set()

    def release(self) -> None:
        self._open.set()

    def _admit(self, request: Request) -> None:
        super()._admit(request)
        if not request.url.path.endswith("/cat"):
            return
        with self._lock:
            self._left -= 1
            is_it = self._left == 0
        if is_it:
            assert request.client is not None
            self.asker = request.client.host, request.client.port
            self._held.set()
            self._open.wait(PATIENCE_SECONDS)
