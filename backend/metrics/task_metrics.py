"""What a server's tasks are like now, as chain and content tell it: asked when the metrics are, and of nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from protocol.identifiers import to_hex
from protocol.round.state_table import RoundState
from protocol.task.documents import Absent
from protocol.task.state import TaskState
from storage.ledger.interface import Head


class Watched(Protocol):
    """The part of :class:`~storage.ledger.polling.Polling` that is shown."""

    @property
    def last(self) -> Head | None: ...
    def silent_seconds(self) -> float: ...


class ChainMetrics(Collector):
    """How far this process is behind its chain. ``read_up_to``: the last block whose events it has read; -1: none."""

    def __init__(self, polling: Watched, read_up_to: Callable[[], int]) -> None:
        self._polling, self._read_up_to = polling, read_up_to

    def collect(self) -> Iterator[Metric]:
        head = self._polling.last
        yield _gauge("hearth_chain_head_block", "The last block that the endpoint showed", head.block if head else -1)
        behind = max(0, head.block - self._read_up_to()) if head else 0
        yield _gauge("hearth_chain_blocks_behind", "Blocks of them whose events are not read yet", behind)
        age = head.now - head.timestamp if head else 0
        yield _gauge("hearth_chain_block_age_seconds", "Of that block when it was last shown, by block time", age)
        silent = self._polling.silent_seconds()
        yield _gauge("hearth_chain_silent_seconds", "For which the endpoint was asked for its head in vain", silent)


class TaskMetrics(Collector):
    """``states``: of the tasks that this process knows; ``now``: seconds of block time. A task that nobody can claim
    from any more is left out, so a server that has run for years shows no more lines than one that is new."""

    def __init__(self, states: Callable[[], Mapping[int, TaskState]], now: Callable[[], int]) -> None:
        self._states, self._now = states, now

    def collect(self) -> Iterator[Metric]:
        now = self._now()
        families = {
            "rounds": GaugeMetricFamily("hearth_task_rounds", "Rounds by state", labels=["task", "state"]),
            "round": GaugeMetricFamily("hearth_task_round", "The last round that was opened", labels=["task"]),
            "left": GaugeMetricFamily(
                "hearth_task_deadline_seconds", "Seconds of block time until a deadline", labels=["task", "deadline"]
            ),
            "money": GaugeMetricFamily(
                "hearth_task_money", "In the token's smallest units", labels=["task", "token", "what"]
            ),
            "clients": GaugeMetricFamily("hearth_task_clients", "Clients that enrolled, left", labels=["task", "what"]),
            "lacking": GaugeMetricFamily(
                "hearth_task_documents_lacking", "Documents that cannot be read", labels=["task"]
            ),
        }
        for task, state in sorted(self._states().items()):
            if state.posted is not None and now <= state.posted.claim_until:
                _tell(families, str(task), state, now)
        yield from families.values()


def _tell(families: Mapping[str, GaugeMetricFamily], task: str, state: TaskState, now: int) -> None:
    posted = state.posted
    assert posted is not None
    counts = Counter(facts.state for facts in state.rounds)
    for of in RoundState:
        if of is not RoundState.NONE:
            families["rounds"].add_metric([task, of.name.lower()], counts[of])
    families["round"].add_metric([task], len(state.rounds))
    for deadline, until in _deadlines(state).items():
        families["left"].add_metric([task, deadline], until - now)
    settled = state.last_settled()
    money = {
        "escrow": posted.escrow,
        "allocated": settled.settled.allocated if settled is not None and settled.settled is not None else 0,
        "claimed": sum(event.cumulative for event in state.claims.values()),
        "credits": sum(state.credits.values()),
        "refunded": state.refunded,
    }
    for what, amount in money.items():
        families["money"].add_metric([task, to_hex(posted.terms.token), what], amount)
    families["clients"].add_metric([task, "enrolled"], len(state.enrolled))
    families["clients"].add_metric([task, "left"], len(state.left))
    families["lacking"].add_metric([task], sum(isinstance(found, Absent) for found in state.documents.values()))


def _deadlines(state: TaskState) -> dict[str, int]:
    """Those that are still to come, or that the running round has missed; instants in seconds of block time."""
    posted, current = state.posted, state.current
    assert posted is not None
    deadlines = {"end": posted.task_until, "claim": posted.claim_until}
    if not state.rounds:
        deadlines["enrol"] = state.enrol_until
    if current is not None:
        if current.requested is None:
            deadlines["commit"] = current.opened.commit_until
        deadlines["settle"] = current.opened.settle_until
    return deadlines


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)
