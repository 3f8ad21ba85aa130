"""How many local steps suit a model: the bound of Wang et al. (JSAC 37(6), 2019) and its best number of steps.

Costs are in any one unit, that of the budget. Float64 in a stated order, so everybody finds the same number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final

LEAST_SMOOTHNESS: Final = 1e-5
SEARCH_FACTOR: Final = 10  # times the steps so far: no estimate holds farther away
MAX_STEPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Budget:
    """``step``: cost of a local step; ``round``: of all else that a round takes; ``whole``: of the task."""

    step: float
    round: float
    whole: float

    def steps(self, local: int) -> float:
        """That the budget pays in all, with so many in each round."""
        left = max(self.whole - self.step - self.round, self.step + self.round)
        return left * local / (self.step * local + self.round)


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of the loss: ``slope`` (rho), ``smoothness`` (beta), ``divergence`` (delta) of the clients' gradients from the
    mean; ``rate`` (eta): the length of a local step for a gradient of length one."""

    slope: float
    smoothness: float
    divergence: float
    rate: float


def drifts(estimates: Estimates) -> Iterator[float]:
    """h(1), h(2), ...: how far the mean of the clients' models can be from a model trained in one place, after so many
    local steps."""
    growth, power, taken = estimates.rate * estimates.smoothness + 1.0, 1.0, 0
    while True:
        power, taken = power * growth, taken + 1
        grown = estimates.divergence / estimates.smoothness * (power - 1.0)
        yield max(0.0, grown - estimates.rate * estimates.divergence * taken)


def loss_bound(local: int, drift: float, estimates: Estimates, phi: float, budget: Budget) -> float:
    """G: on the loss above the least one when the budget is spent, with ``local`` steps in each round."""
    steps, rate = budget.steps(local), estimates.rate
    inner = 1.0 + 4.0 * steps * steps * phi * estimates.slope * rate * drift / local
    return (1.0 + sqrt(inner)) / (2.0 * steps * rate * phi) + estimates.slope * drift


def best_steps(estimates: Estimates, phi: float, budget: Budget, most: int) -> int:
    """Between 1 and ``most``, with the least bound; of equal ones the fewest."""
    found, least = 1, float("inf")
    for local, drift in zip(range(1, most + 1), drifts(estimates), strict=False):
        bound = loss_bound(local, drift, estimates, phi, budget)
        if bound < least:
            found, least = local, bound
    return found
