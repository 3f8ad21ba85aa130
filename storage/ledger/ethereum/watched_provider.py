"""A node's provider that somebody counts the questions of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from storage.ledger.ethereum.rpc import NodeProvider

Heard = Callable[[str, float, Exception | None], None]


class WatchedProvider(NodeProvider):
    """``heard`` is told of every question: its method, its seconds with all repetitions, and what went wrong."""

    def __init__(self, inner: NodeProvider, heard: Heard, clock: Callable[[], float] = time.perf_counter) -> None:
        self._inner, self._heard, self._clock = inner, heard, clock

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        begun = self._clock()
        try:
            answer = self._inner.make_request(method, params)
        except Exception as error:
            self._heard(method, self._clock() - begun, error)
            raise
        self._heard(method, self._clock() - begun, None)
        return answer

    @property
    def bytes_sent(self) -> int:
        return self._inner.bytes_sent

    def close(self) -> None:
        self._inner.close()
