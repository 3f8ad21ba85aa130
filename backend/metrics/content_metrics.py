"""How much of each task's content is where its operator wants it kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class ContentMetrics(Collector):
    """``counts``: task, node, objects that the task needs, those of them that are on the node."""

    def __init__(self, counts: Callable[[], Iterable[tuple[int, str, int, int]]]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        needed = GaugeMetricFamily("hearth_content_objects", "Objects that a task needs", labels=["task"])
        kept = GaugeMetricFamily("hearth_content_kept", "Of them, those on a node", labels=["task", "node"])
        told = set[int]()
        for task, node, objects, there in self._counts():
            if task not in told:
                needed.add_metric([str(task)], objects)
                told.add(task)
            kept.add_metric([str(task), node], there)
        yield needed
        yield kept
