"""Bayesian accounting (Triastcyn and Faltings 2020): what is revealed of an example of the same law as those held out.

The moment of the loss is a mean over that law, so it is estimated from examples that are never trained on, and the
estimate may fail with a probability that is taken out of delta. A figure says nothing about an outlier, holds for the
path of weights that was taken, and depends on private examples: it is for the owner's eyes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import expm1, inf, log, log1p, sqrt
from typing import Final

import numpy as np

from client_agent.privacy.moments import (
    KNOTS,
    LAMBDAS,
    Cost,
    Integers,
    Reals,
    Release,
    between_knots,
    epsilons,
    interpolated,
    left,
    right,
    table,
)
from protocol.privacy.figure import Definition, PrivacyFigure, Unit, millionths
from protocol.privacy.port import RESERVE
from protocol.privacy.student_t import upper_quantile

LEAST_HELD: Final = 3
FEW: Final = 500  # with fewer held out the rare long gradients are missing among them, which flatters
FAILURE: Final = 2.0**-53  # of one call in the paper's form: what 1 - 1e-16 is in floating point
FAILURE_SHARE: Final = 0.01  # of delta, in the form of a trajectory

Estimate = Callable[[Reals, Reals, float], Reals]


def student_t(logs: Reals, largest: Reals, failure: float) -> Reals:
    """Log of an upper bound on the mean of exp(``logs``), shape (n, orders), for each order.

    It fails with probability ``failure`` if the mean of n is normal, which it nearly is for many that are alike.
    """
    most = logs.max(axis=0)
    values = np.exp(logs - most)
    beyond = upper_quantile(failure, len(logs) - 1) / sqrt(len(logs) - 1)
    bound: Reals = most + np.log(values.mean(axis=0) + beyond * values.std(axis=0))
    return bound


def bernstein(logs: Reals, largest: Reals, failure: float) -> Reals:
    """The same whatever the law: no value is above exp(``largest``) or below 1 (Maurer and Pontil 2009, theorem 4)."""
    values, count, chance = np.exp(logs - largest), len(logs), log(2.0 / failure)
    spread = np.sqrt(2.0 * chance / count * values.var(axis=0, ddof=1))
    width = -np.expm1(-largest)
    bound: Reals = largest + np.log(values.mean(axis=0) + spread + 7.0 / 3.0 * chance / (count - 1) * width)
    return bound


@dataclass(frozen=True, slots=True)
class Column:
    """One way to make a figure out of a trajectory."""

    name: str
    estimate: Estimate
    cost: Cost


HEADLINE: Final = Column("BAYES-STUDENT/1", student_t, left)
BERNSTEIN: Final = Column("BAYES-BERNSTEIN/1", bernstein, left)
RIGHT: Final = Column("BAYES-STUDENT-RIGHT/1", student_t, right)


class Trajectory:
    """Follows the same held-out examples through all releases: the loss of each adds up, and one mean ends it.

    Given the path they are independent, since nothing was trained on them. Where each stands is kept as weights on the
    knots of a table of costs: time and memory of a release do not depend on the number of orders. Between its knots the
    table is an upper bound, so every sum is one.
    """

    def __init__(self, held: int, choices: int = 1) -> None:
        """``held``: examples. ``choices``: mechanisms of which the held-out examples themselves decided for one: none
        of their estimates may fail. Raises ValueError for fewer than LEAST_HELD."""
        if held < LEAST_HELD:
            raise ValueError(f"{held} examples are held out, and no estimate comes from fewer than {LEAST_HELD}")
        self.held, self._choices = held, choices
        self._weights: dict[Release, Reals] = {}
        self._counts: dict[Release, int] = {}

    def add(self, lengths: Reals, release: Release) -> None:
        """One release: ``lengths`` (held,) of what each would have contributed, in the same order every time.

        Raises ValueError for another number of them, or for one beyond the bound.
        """
        if len(lengths) != self.held:
            raise ValueError(f"{len(lengths)} lengths of {self.held} held-out examples")
        release.squared(lengths)
        weights = self._weights.setdefault(release, np.zeros((self.held, KNOTS + 1)))
        (lower, upper_share), every = between_knots(lengths, release.bound), np.arange(self.held)
        weights[every, lower] += 1.0 - upper_share
        weights[every, lower + 1] += upper_share
        self._counts[release] = self._counts.get(release, 0) + 1

    def epsilon(self, column: Column, delta_exponent: int, definition: Definition = Definition.WEAK) -> float:
        """Of all releases together; 0.0 for none.

        FAILURE_SHARE of delta is for the estimates at all orders together, since the best order is chosen after they
        are seen; RESERVE is left, as in every figure. None of them is above what is certain: everybody at the bound.
        """
        if not self._weights:
            return 0.0
        logs, largest = np.zeros((self.held, len(LAMBDAS))), np.zeros(len(LAMBDAS))
        for release, weights in self._weights.items():
            costs = table(column.cost, release.rate, release.largest)
            logs += weights @ costs
            largest += self._counts[release] * costs[-1]
        delta = 10.0**-delta_exponent
        failure = delta * FAILURE_SHARE
        bound = np.minimum(column.estimate(logs, largest, failure / len(LAMBDAS) / self._choices), largest)
        return float(epsilons(bound, LAMBDAS, log(delta * (1.0 - RESERVE) - failure), definition).min())

    def figure(
        self,
        column: Column,
        delta_exponent: int,
        unit: Unit = Unit.EXAMPLE,
        definition: Definition = Definition.WEAK,
    ) -> PrivacyFigure:
        """Of all releases together. With fewer than FEW held out it is indicative."""
        return PrivacyFigure(
            millionths(self.epsilon(column, delta_exponent, definition)),
            delta_exponent,
            column.name,
            unit,
            definition,
            honest_clients=max((len(release.weights) for release in self._weights), default=1),
            indicative=int(self.held < FEW),
            adjacency=unit.adjacency,
        )


class PaperForm:
    """As the paper's authors compute it: each call has a mean of its own, and Hoelder's inequality joins them.

    For comparison beside :class:`Trajectory`, with the same numbers as their program.
    """

    name = "BAYES-PAPER/1"

    def __init__(self, calls: int, failure: float = FAILURE, lambdas: Integers = LAMBDAS) -> None:
        """``calls``: of ``accumulate``, at most; it is the power of Hoelder's inequality. ``failure``: of each.
        ``lambdas``: some of LAMBDAS."""
        self._calls, self._failure, self._lambdas = calls, failure, lambdas
        self._made, self.costs = 0, np.zeros(len(lambdas))

    def accumulate(self, lengths: Reals, release: Release, steps: int = 1) -> None:
        """``steps`` alike, with ``lengths`` (m,) of held-out examples or of pairs.

        Raises ValueError for too few of them, for one beyond the bound, or for more calls than were announced.
        """
        if len(lengths) < LEAST_HELD or self._made == self._calls:
            raise ValueError(f"{len(lengths)} lengths in call {self._made + 1} of {self._calls}")
        squared = release.squared(lengths)
        if len(lengths) > KNOTS:
            costs = interpolated(left, release, lengths)[:, self._lambdas - 1]
        else:
            costs = left(release.rate, squared, self._lambdas)
        logs = self._calls * steps * costs
        self.costs += student_t(logs, logs.max(axis=0), self._failure) / self._calls
        self._made += 1

    def epsilon(self, delta: float) -> float:
        """Chernoff's bound, with all failures taken out of ``delta``; infinite where nothing is left of it."""
        left_over = delta + expm1(self._made * log1p(-self._failure))
        if left_over <= 0.0:
            return inf
        return float(epsilons(self.costs, self._lambdas, log(left_over), Definition.STRONG).min())
