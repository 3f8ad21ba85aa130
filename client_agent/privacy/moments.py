"""What one Poisson-sampled Gaussian release costs somebody whose contribution is no longer than it is.

The moments of the privacy loss as in Triastcyn and Faltings (2020), exact binomial sums for whole orders. With all
contributions at the bound they are those of :mod:`protocol.privacy.renyi`, whose order is one more than lambda.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import lgamma, log, log1p, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.errors import Party
from protocol.privacy.figure import Definition
from protocol.privacy.port import NoPrivacyError

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Cost = Callable[[float, Reals, Integers], Reals]

LAMBDAS: Final[Integers] = np.arange(1, 513)
KNOTS: Final = 128  # of the table, equally far apart in distance
_LEAST = -1e300


@dataclass(frozen=True, slots=True)
class Release:
    """One noisy sum as an accountant sees it. Lengths, bound and noise are in one measure, whichever it is.

    ========  ==================================  ===================  ==============================================
    level     lengths                             rate                 noise
    ========  ==================================  ===================  ==============================================
    instance  of single examples' clipped         of the examples      what this client adds in the step
              gradients
    client    of whole updates, clipped           1: cohorts are       what each client adds to hide its update
                                                  public
    joint     of whole updates, clipped           1                    what each client adds to hide its examples: it
                                                                       serves twice
    ========  ==================================  ===================  ==============================================

    Noise of several clients counts only where each of them adds it once to what it sends (one step a round), nothing
    nonlinear follows before the sum, and nobody sees more than that. Raises NoPrivacyError without noise, ValueError
    for what cannot be.
    """

    rate: float  # chance with which a contribution is in the sum
    bound: float  # no contribution is longer
    own_noise: float  # standard deviation in every coordinate of what one client adds
    weights: tuple[int, ...] = (1,)  # in the sum, of the clients whose noise counts, this one among them

    def __post_init__(self) -> None:
        if self.own_noise <= 0.0:
            raise NoPrivacyError("the task adds no noise", fault=Party.MANUFACTURER)
        if not (0.0 < self.rate <= 1.0 and self.bound > 0.0 and min(self.weights, default=0) > 0):
            raise ValueError(f"a sampling rate of {self.rate}, a bound of {self.bound} or a weight that cannot be")

    @property
    def noise(self) -> float:
        """Of all that counts, for the client that weighs most, whose contribution stands out most."""
        return self.own_noise * sqrt(sum(weight * weight for weight in self.weights)) / max(self.weights)

    @property
    def largest(self) -> float:
        """The squared bound in variances of the noise."""
        return (self.bound / self.noise) ** 2

    def squared(self, lengths: Reals) -> Reals:
        """The same of each length. Raises ValueError for one that is beyond the bound, or is no length."""
        if not np.all((lengths >= 0.0) & (lengths <= self.bound)):
            raise ValueError("a contribution is longer than its bound")
        scaled: Reals = np.square(lengths / self.noise)
        return scaled


def left(rate: float, squared: Reals, lambdas: Integers = LAMBDAS) -> Reals:
    """c^L(lambda; d^2), shape (n, lambdas), for ``squared`` (n,): the loss of data with the contribution against data
    without it. It bounds the other direction too (Mironov, Talwar and Zhang 2019), grows with d^2 and is convex in
    it."""
    return _log_moments(rate, squared, lambdas + 1, -1)


def right(rate: float, squared: Reals, lambdas: Integers = LAMBDAS) -> Reals:
    """c^R(lambda; d^2), the paper's bound on the other direction: never below ``left``, and of first order in ``rate``
    where that is of second. For show."""
    return _log_moments(rate, squared, lambdas, 1)


def epsilons(costs: Reals, lambdas: Integers, log_delta: float, definition: Definition) -> Reals:
    """What the log moments ``costs`` of the loss allow, each by itself; every one is an upper bound.

    STRONG is Chernoff's bound on the loss itself, the others are Canonne, Kamath and Steinke (2020), proposition 12.
    """
    found: Reals = (costs - log_delta) / lambdas
    if definition is not Definition.STRONG:
        found += np.log(lambdas / (lambdas + 1)) - np.log(lambdas + 1) / lambdas
    return np.maximum(found, 0.0)


@lru_cache(maxsize=16)
def table(cost: Cost, rate: float, largest: float) -> Reals:
    """``cost`` at KNOTS + 1 distances from 0 to the bound, whose square is ``largest``; shape (KNOTS + 1, LAMBDAS)."""
    found = cost(rate, largest * np.square(np.arange(KNOTS + 1) / KNOTS), LAMBDAS)
    found.setflags(write=False)
    return found


def interpolated(cost: Cost, release: Release, lengths: Reals) -> Reals:
    """``cost`` from its table, shape (n, LAMBDAS): an upper bound, and for many lengths the fast way."""
    costs = table(cost, release.rate, release.largest)
    lower, upper_share = between_knots(lengths, release.bound)
    found: Reals = costs[lower]
    found += upper_share[:, None] * np.diff(costs, axis=0)[lower]
    return found


def between_knots(lengths: Reals, bound: float) -> tuple[Integers, Reals]:
    """Of each length the knot below and the share that the knot above has in its square.

    A table row weighted so is an upper bound of a cost, since costs are convex in the square.
    """
    places = lengths * (KNOTS / bound)
    lower = np.minimum(places.astype(np.int64), KNOTS - 1)
    upper_share: Reals = np.clip((np.square(places) - np.square(lower)) / (2 * lower + 1), 0.0, 1.0)
    return lower, upper_share


def _log_moments(rate: float, squared: Reals, draws: Integers, sign: int) -> Reals:
    """log of the mean of exp((k^2 + sign * k) * squared / 2) for k of Bin(draws, rate), shape (n, draws)."""
    if rate == 1.0:
        certain: Reals = 0.5 * squared[:, None] * (draws * draws + sign * draws)
        return certain
    counts = np.arange(int(draws.max()) + 1)
    exponents = 0.5 * squared[:, None] * (counts * counts + sign * counts)
    found = np.empty((len(squared), len(draws)))
    with np.errstate(divide="ignore"):
        log_excess = exponents + np.log(-np.expm1(-exponents))  # over 1, so that the smallest moments keep their digits
        for place, number in enumerate(draws):
            terms = log_excess[:, : number + 1] + _log_binomial(int(number), rate)
            most = np.maximum(terms.max(axis=1), _LEAST)
            found[:, place] = np.logaddexp(0.0, most + np.log(np.exp(terms - most[:, None]).sum(axis=1)))
    return found


def _log_binomial(number: int, rate: float) -> Reals:
    """log of the chances of 0 to ``number``."""
    ways, counts = _LOG_FACTORIALS[: number + 1], np.arange(number + 1)
    chances: Reals = ways[-1] - ways - ways[::-1] + counts * log(rate) + counts[::-1] * log1p(-rate)
    return chances


_LOG_FACTORIALS: Final = np.array([lgamma(number + 1.0) for number in range(int(LAMBDAS[-1]) + 2)])
