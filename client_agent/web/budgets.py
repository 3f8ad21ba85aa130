"""What every data set of a household has cost in privacy, as pages show it; counted again only after a new charge."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from client_agent.binding import TaskBinding
from client_agent.privacy.ledger import HOME, Spending
from protocol.messages.learning import MICRO
from protocol.privacy.figure import PrivacyFigure
from protocol.task.owner_limits import PrivacyLimits

NEARLY: Final = (80, 95)  # percent of what all tasks may cost: then the household is told


@dataclass(frozen=True, slots=True)
class TaskCost:
    binding: TaskBinding
    rounds: int
    figure: PrivacyFigure


@dataclass(frozen=True, slots=True)
class Budget:
    """Of one data set. ``limit_micro``: epsilon that its owner's policy lets all tasks cost together."""

    data_set: str
    figure: PrivacyFigure
    limit_micro: int
    tasks: tuple[TaskCost, ...]
    without_guarantee: int  # rounds that no figure covers

    @property
    def percent(self) -> int:
        return 100 * self.figure.epsilon_micro // max(1, self.limit_micro)

    @property
    def epsilon(self) -> float:
        return self.figure.epsilon_micro / MICRO


class Budgets:
    """Remembers the last answer: an accountant may need seconds. For threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._known: tuple[Spending, PrivacyLimits, tuple[Budget, ...]] | None = None

    def of(self, spending: Spending, limits: PrivacyLimits) -> tuple[Budget, ...]:
        with self._mutex:
            if self._known is None or self._known[:2] != (spending, limits):
                self._known = spending, limits, budgets_of(spending, limits)
            return self._known[2]


def budgets_of(spending: Spending, limits: PrivacyLimits) -> tuple[Budget, ...]:
    """By name; the one of the household itself is there even when nothing was charged to it."""
    exponent = limits.total_delta_exponent
    found = list[Budget]()
    for name in sorted({HOME, *spending.files.values(), *(use.data_set for use in spending.charged)}):
        tasks = sorted({use.task for use in spending.charged if use.data_set == name}, key=repr)
        costs = [
            TaskCost(task, spending.rounds_of(name, task), spending.figure(name, exponent, task)) for task in tasks
        ]
        figure, uncovered = spending.figure(name, exponent), spending.without_guarantee(name)
        found.append(Budget(name, figure, limits.total_epsilon, tuple(costs), uncovered))
    return tuple(found)
