"""What a key authority shows beside what every server does: its tasks, the shares it holds, the keys it has issued."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.metrics.account_balance import AccountBalance
from backend.metrics.process_metrics import ProcessMetrics
from backend.metrics.task_metrics import ChainMetrics, TaskMetrics, Watched
from protocol.task.state import TaskState


class Followed(Protocol):
    """The part of :class:`~backend.key_authority.followed.FollowedTasks` that is shown."""

    @property
    def head(self) -> int: ...
    @property
    def now(self) -> int: ...
    def state(self, task: int) -> TaskState: ...


class Kept(Protocol):
    """The part of :class:`~backend.key_authority.records.AuthorityRecords` that is shown."""

    def tasks(self) -> set[int]: ...
    def clients(self, task: int) -> Collection[bytes]: ...
    def issued(self, task: int) -> tuple[object, ...]: ...


class KeyMetrics(Collector):
    """Counts alone: of keys nothing is shown."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def collect(self) -> Iterator[Metric]:
        shares = GaugeMetricFamily("hearth_authority_shares", "Clients whose shares are held", labels=["task"])
        issued = GaugeMetricFamily("hearth_authority_keys_issued", "Partial keys that were issued", labels=["task"])
        for task in sorted(self._kept.tasks()):
            shares.add_metric([str(task)], len(self._kept.clients(task)))
            issued.add_metric([str(task)], len(self._kept.issued(task)))
        yield shares
        yield issued


def watch_authority(
    metrics: ProcessMetrics, followed: Followed, kept: Kept, polling: Watched, balance: Callable[[], int]
) -> None:
    """``balance``: of the authority's account, in wei; it asks the chain."""

    def states() -> Mapping[int, TaskState]:
        return {task: followed.state(task) for task in kept.tasks()}

    for collector in (
        ChainMetrics(polling, lambda: followed.head),
        TaskMetrics(states, lambda: followed.now),
        KeyMetrics(kept),
        AccountBalance(balance),
    ):
        metrics.registry.register(collector)
