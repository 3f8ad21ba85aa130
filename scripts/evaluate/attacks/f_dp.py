"""The same audit against a whole trade-off curve (Mahloujifar, Melis and Chaudhuri 2024): tighter, since a mechanism
is more than its epsilon at one delta.

A curve says of an event that has chance x with a canary how little chance it may have without. For noise that is one
normal number in every direction it is that of two normal distributions mu apart (Dong, Roth and Su 2022), so the
smallest mu that the guesses do not refute gives an epsilon for every delta.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf
from statistics import NormalDist

from scripts.evaluate.attacks.one_run import SIGNIFICANCE, Guesses, largest

Curve = Callable[[float], float]  # chance of an event to the least chance that it may have at a neighbour

_NORMAL = NormalDist()
_LARGEST = 64.0  # of mu, where epsilon is in the thousands, and of a pure epsilon


def gaussian(mu: float) -> Curve:
    """Of two normal distributions whose means are ``mu`` standard deviations apart."""

    def curve(chance: float) -> float:
        if chance <= 0.0 or chance >= 1.0:
            return min(1.0, max(0.0, chance))
        return _NORMAL.cdf(_NORMAL.inv_cdf(chance) - mu)

    return curve


def approximate(pairs: tuple[tuple[float, float], ...]) -> Curve:
    """Of a mechanism that keeps each (epsilon, delta) of ``pairs``: the least that all of them allow."""

    def curve(chance: float) -> float:
        least = 0.0
        for epsilon, delta in pairs:
            least = max(least, (chance - delta) * exp(-epsilon), 1.0 - delta - exp(epsilon) * (1.0 - chance))
        return least

    return curve


def refuted(curve: Curve, guesses: Guesses, significance: float = SIGNIFICANCE) -> bool:
    """Whether no mechanism with this curve is guessed right so often, but for a chance of ``significance``.

    The paper's theorem: were that chance ``significance``, then right and wrong guesses of at least i right ones would
    have at least the chances ``right`` and ``wrong`` for each canary. They add up to more than all guesses have.
    """
    made, share = guesses.made, significance / guesses.canaries
    right, wrong = share * guesses.right, share * (made - guesses.right)
    for i in range(guesses.right - 1, -1, -1):
        more = max(wrong, curve(min(right, 1.0)))
        right, wrong = right + (more - wrong) * i / (made - i), more
    return right + wrong > made / guesses.canaries


def mu_below(guesses: Guesses, significance: float = SIGNIFICANCE) -> float:
    """What the true mu of a Gaussian mechanism is not below; 0.0 where nothing follows."""
    return largest(lambda mu: mu < _LARGEST and refuted(gaussian(mu), guesses, significance))


def pure_below(guesses: Guesses, significance: float = SIGNIFICANCE) -> float:
    """What the true epsilon of a mechanism is not below that has a delta of zero."""
    return largest(
        lambda epsilon: epsilon < _LARGEST and refuted(approximate(((epsilon, 0.0),)), guesses, significance)
    )


def epsilon_below(guesses: Guesses, delta: float, significance: float = SIGNIFICANCE) -> float:
    """What the epsilon of a Gaussian mechanism is not below at ``delta``; 0.0 where nothing follows."""
    return epsilon_of(mu_below(guesses, significance), delta)


def epsilon_of(mu: float, delta: float) -> float:
    """At ``delta``, of two normal distributions ``mu`` apart (Balle and Wang 2018)."""
    if mu <= 0.0:
        return 0.0

    def above(epsilon: float) -> bool:
        first = _NORMAL.cdf(mu / 2.0 - epsilon / mu)
        second = _NORMAL.cdf(-mu / 2.0 - epsilon / mu)
        return first - (exp(epsilon) * second if second else 0.0) > delta

    return largest(above) if delta else inf
