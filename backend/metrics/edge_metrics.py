"""What an edge server shows beside what every server does: its tasks, its leases, its authorities, what waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from prometheus_client import Counter as Counted
from prometheus_client import Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.metrics.account_balance import AccountBalance
from backend.metrics.process_metrics import SECONDS, ProcessMetrics
from backend.metrics.task_metrics import ChainMetrics, TaskMetrics, Watched
from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.task.state import TaskState

SERVICES: Final = ("served", "waiting", "refused")


class HostedTask(Protocol):
    @property
    def state(self) -> TaskState: ...
    @property
    def served(self) -> bool: ...
    @property
    def refused(self) -> bool: ...


class Driver(Protocol):
    """The part of :class:`~backend.rounds.driver.Driver` that is shown."""

    @property
    def now(self) -> int: ...
    def head(self) -> int: ...
    def tasks(self) -> Mapping[int, HostedTask] | None: ...
    def held(self) -> int: ...


class AuthorityMetrics:
    """Of the questions to key authorities. May be shared by threads."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        self._seconds = Histogram(
            "hearth_authority_seconds", "Of a question to a key authority", ("authority",),
            buckets=SECONDS, registry=metrics.registry,
        )  # fmt: skip
        self._errors = Counted(
            "hearth_authority_errors", "Questions to a key authority without a usable answer", ("authority", "code"),
            registry=metrics.registry,
        )  # fmt: skip

    def heard(self, authority: Address, error: HearthError | None, seconds: float) -> None:
        """One question: None, or why there was no usable answer."""
        whose = to_hex(authority)
        self._seconds.labels(whose).observe(seconds)
        if error is not None:
            self._errors.labels(whose, error.code).inc()


class ServiceMetrics(Collector):
    """``waiting``: how many requests of phones wait to be relayed, by task and kind."""

    def __init__(self, driver: Driver, waiting: Callable[[], Mapping[tuple[int, str], int]]) -> None:
        self._driver, self._waiting = driver, waiting

    def collect(self) -> Iterator[Metric]:
        tasks = self._driver.tasks() or {}
        counts = Counter(
            "refused" if task.refused else "served" if task.served else "waiting" for task in tasks.values()
        )
        services = GaugeMetricFamily("hearth_tasks", "Tasks that name this server", labels=["service"])
        for service in SERVICES:
            services.add_metric([service], counts[service])
        yield services
        yield GaugeMetricFamily("hearth_leases_held", "Tasks that this process drives", value=self._driver.held())
        inbox = GaugeMetricFamily("hearth_inbox_waiting", "Requests of phones to relay", labels=["task", "kind"])
        for (task, kind), count in sorted(self._waiting().items()):
            inbox.add_metric([str(task), kind], count)
        yield inbox


def watch_edge(
    metrics: ProcessMetrics,
    driver: Driver,
    polling: Watched,
    waiting: Callable[[], Mapping[tuple[int, str], int]],
    balance: Callable[[], int],
) -> None:
    """``balance``: of the server's account, in wei; it asks the chain."""

    def states() -> Mapping[int, TaskState]:
        return {task: hosted.state for task, hosted in (driver.tasks() or {}).items()}

    for collector in (
        ChainMetrics(polling, driver.head),
        TaskMetrics(states, lambda: driver.now),
        ServiceMetrics(driver, waiting),
        AccountBalance(balance),
    ):
        metrics.registry.register(collector)
