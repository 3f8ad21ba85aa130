"""A lower bound on epsilon from a single training run (Steinke, Nasr and Jagielski 2023).

Of m canaries each is in the data by a fair coin of its own. Whoever sees what training releases guesses some of the
coins. If the training is (epsilon, delta)-private, no guesser is right more often than p_value allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, lgamma, log1p
from typing import Final

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SIGNIFICANCE: Final = 0.05  # chance that a bound is above the truth
_PRECISION: Final = 1e-6  # of a bound


@dataclass(frozen=True, slots=True)
class Guesses:
    """How many ``canaries`` there were, how many coins were ``made`` a guess at, and how many guesses were ``right``.

    Raises ValueError unless right <= made <= canaries.
    """

    canaries: int
    made: int
    right: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.made <= self.canaries:
            raise ValueError(f"{self.right} right of {self.made} guesses at {self.canaries} canaries")


def guess(scores: Reals, included: Flags, highest: int, lowest: int) -> Guesses:
    """The canaries with the ``highest`` scores are called in, as many as ``lowest`` out, and none of the rest.

    Both numbers are chosen before anybody looks at ``included``, else the bound is none.
    """
    if highest + lowest > len(scores):
        raise ValueError(f"{highest} and {lowest} guesses at {len(scores)} canaries")
    order = np.argsort(scores, kind="stable")
    right = included[order[len(order) - highest :]].sum() + (~included[order[:lowest]]).sum()
    return Guesses(len(scores), highest + lowest, int(right))


def p_value(guesses: Guesses, epsilon: float, delta: float) -> float:
    """The largest chance of so many right guesses or more under (``epsilon``, ``delta``)-privacy."""
    made, right = guesses.made, guesses.right
    chances = _binomial(made, epsilon)
    below = np.cumsum(chances[:right][::-1])  # of right - i or more, but fewer than right: i from 1 on
    alpha = float((below / np.arange(1, right + 1)).max(initial=0.0))
    return min(1.0, float(chances[right:].sum()) + alpha * 2.0 * guesses.canaries * delta)


def epsilon_below(guesses: Guesses, delta: float, significance: float = SIGNIFICANCE) -> float:
    """What the true epsilon is not below, but for a chance of ``significance``; 0.0 where nothing follows."""
    return largest(lambda epsilon: p_value(guesses, epsilon, delta) < significance)


def largest(refuted: Callable[[float], bool]) -> float:
    """The last value from 0 on that is refuted, where all smaller ones are, too."""
    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while refuted(high):
        low, high = high, 2.0 * high
    while high - low > _PRECISION:
        middle = (low + high) / 2.0
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def _binomial(made: int, epsilon: float) -> Reals:
    """Chance of 0 to ``made`` right guesses, if each is right as often as randomised response is."""
    log_right, log_wrong = -log1p(exp(-epsilon)), -epsilon - log1p(exp(-epsilon))
    right = np.arange(made + 1)
    ways = np.array([lgamma(made + 1) - lgamma(k + 1) - lgamma(made - k + 1) for k in range(made + 1)])
    found: Reals = np.exp(ways + right * log_right + (made - right) * log_wrong)
    return found
