"""The coin of a server's account, asked for while somebody reads the metrics, and seldom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from protocol.errors import HearthError

ASK_SECONDS: Final = 60.0

_log = structlog.get_logger()


class AccountBalance(Collector):
    """``balance`` asks the chain, in wei; whoever reads the metrics does not wait for it: an endpoint may be away.
    ``run`` starts it beside."""

    def __init__(
        self,
        balance: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        run: Callable[[Callable[[], None]], None] = lambda act: threading.Thread(target=act, daemon=True).start(),
    ) -> None:
        self._balance, self._clock, self._run = balance, clock, run
        self._asked, self._known = -ASK_SECONDS, -1
        self._asking = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        if self._clock() - self._asked >= ASK_SECONDS and self._asking.acquire(blocking=False):
            self._run(self._ask)
        name, what = "hearth_account_balance", "Of this server's account in wei, as of the last minute; -1: not known"
        yield GaugeMetricFamily(name, what, value=self._known)

    def _ask(self) -> None:
        try:
            self._known = self._balance()
        except HearthError as error:
            _log.warning("the balance could not be read", error=str(error))
        finally:
            self._asked = self._clock()
            self._asking.release()
