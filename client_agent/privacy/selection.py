"""Which rung of noise a household takes, chosen once by the exponential mechanism (McSherry and Talwar 2007).

Noise that follows the data is a release of its own: many steps with it show its size far more precisely than one
example changes what the data would have asked for. So the choice is random, with chances that one example more or less
changes by a factor of e^epsilon at most, and its epsilon is charged.

A rung's score is minus the distance between two numbers: of the held-out examples that the rung keeps within the
target, and of the public share of all held-out examples. Each example counts or does not by itself alone, so one
more or less changes a score by at most one. What is computed is exact: scores are whole hundredths, the chances are
whole numbers out of 2^128.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from itertools import accumulate, pairwise
from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.moments import KNOTS, epsilons, left
from protocol.messages.learning import MICRO, LearningTerms
from protocol.privacy.figure import Definition
from protocol.privacy.renyi import ORDERS
from protocol.round.training import LENGTH_PARTS

SHARE_PERCENT: Final = 95  # of the held-out examples that a rung is to keep within the target
DRAW_BYTES: Final = 16
_SCALE: Final = 2 ** (8 * DRAW_BYTES)
_DIGITS: Final = 60  # 128 bits are 39 of them
# in exponents: no rung is less likely than the best one by more. A weight is then 2^66 or more, so rounding changes no
# chance by more than a part in 2^60; that is less than what a score, which changes by 0.95, leaves of any epsilon
_FURTHEST: Final = Decimal(40)


def chances(within: Sequence[int], held_out: int, epsilon_micro: int) -> tuple[int, ...]:
    """Of each rung, out of 2^128. ``within``: how many of the ``held_out`` examples each keeps within the target."""
    distances = [abs(100 * count - SHARE_PERCENT * held_out) for count in within]
    with localcontext(Context(prec=_DIGITS, rounding=ROUND_FLOOR)):
        weights = list[int]()
        for distance in distances:
            exponent = Decimal(epsilon_micro * (distance - min(distances))) / (2 * 100 * MICRO)
            weights.append(int((-min(exponent, _FURTHEST)).exp() * 2**124))
    edges = [sum_ * _SCALE // sum(weights) for sum_ in accumulate(weights, initial=0)]
    return tuple(upper - lower for lower, upper in pairwise(edges))


def chosen(odds: Sequence[int], drawn: bytes) -> int:
    """The place of the rung that DRAW_BYTES random bytes stand for."""
    place = int.from_bytes(drawn, "big")
    return sum(place >= edge for edge in list(accumulate(odds))[:-1])


def kept_within(lengths: npt.NDArray[np.uint16], learning: LearningTerms, steps: int) -> tuple[int, ...]:
    """For each rung, how many examples it keeps within the target through ``steps`` that are all like this one.

    ``lengths`` (n,): in LENGTH_PARTS of the clip. An example's own cost is a function of itself and public numbers.
    """
    bayesian, rate = learning.bayesian, learning.mechanism.sampling_rate_ppm / MICRO
    knots = -(-lengths.astype(np.int64) * KNOTS // LENGTH_PARTS)  # rounded up
    lambdas, log_delta = np.array(ORDERS) - 1, -bayesian.delta_exponent * log(10.0)
    counts = list[int]()
    for rung_micro in bayesian.rungs_micro:
        squared = np.square(np.arange(KNOTS + 1) / KNOTS * (MICRO / rung_micro))
        own = epsilons(steps * left(rate, squared, lambdas), lambdas, log_delta, Definition.WEAK).min(axis=1)
        counts.append(int(np.count_nonzero(own[knots] <= bayesian.epsilon_micro / MICRO)))
    return tuple(counts)
