"""How long an honest update is, as integers are sent: its noise, which screening takes off norms, and what it holds.

All of it follows from the terms, in whole numbers and fractions, so that everybody finds the same bits.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Final

from protocol.encryption.port import largest_value
from protocol.messages.learning import MICRO, LearningTerms, QuantiserTerms
from protocol.messages.round import RoundPlan
from protocol.messages.task import TaskSpec
from protocol.model.specification import dimension_of
from protocol.round.planning import sent_parameters
from protocol.screening.norms import noise_energy

_WEIGHTS: Final = 2**96  # denominator of what correlated noise takes back
_SAMPLING: Final = 6  # deviations of how many examples a step takes
_TAIL: Final = 21  # an honest update is longer than :func:`longest_sent` with a chance of e^-21 at most, twice


def update_noise(spec: TaskSpec, plan: RoundPlan) -> int:
    """E: expected squared norm of the noise in one update of the round, stochastic rounding included."""
    squared = noise_variance(plan.learning, dimension_of(spec.model), plan.dimension, plan.round)
    return noise_energy(plan.dimension, int(squared * MICRO))


def noise_variance(learning: LearningTerms, dimension: int, sent: int, number: int = 1) -> Fraction:
    """Of each of the ``sent`` coordinates of one update in round ``number``, in squared units of the quantiser, before
    it rounds; ``dimension``: of the model. Every phone adds the noise of the default rung.

    Of ``features`` none: its noise is in what an update is learnt from. Of ``correlated`` what is left in one round.
    """
    mechanism = learning.mechanism
    if mechanism.kind == "features":
        return Fraction(0)
    one = _step(learning) * Fraction(learning.noise_multiplier_micro, MICRO) / unit_of(learning.quantiser)
    share = one * one * Fraction(sent, dimension)
    if mechanism.kind == "correlated":
        return share * _left(mechanism.band_micro, number)
    return share if mechanism.kind == "client" else share * mechanism.local_steps


def longest_update(learning: LearningTerms, dimension: int, sent: int, examples: int) -> int:
    """C: no honest update of a household with so many ``examples`` is longer before noise, in units of the quantiser,
    rounded up; as many as a step hardly ever takes more of are taken to pull in one direction."""
    mechanism = learning.mechanism
    one = _step(learning) / unit_of(learning.quantiser)
    if mechanism.kind in ("client", "features"):
        most = Fraction(1)
    else:
        taken = _sampled(examples, Fraction(mechanism.sampling_rate_ppm, MICRO * mechanism.separation))
        most = Fraction(taken)
    if mechanism.kind != "client":
        most *= mechanism.local_steps
    return _root_up((one * most) ** 2 * (1 if mechanism.kind == "features" else Fraction(sent, dimension)))


def longest_sent(clip: int, variance: Fraction, sent: int) -> int:
    """What an update with at most ``clip`` before its noise is hardly ever longer than with it, rounded up.

    Squared norm of the noise by Laurent and Massart (2000), and its product with the update, both with _TAIL.
    """
    each = variance + Fraction(1, 6)
    root = isqrt(sent * _TAIL) + 1
    noise = each * (sent + 2 * root + 2 * _TAIL)
    product = 2 * clip * _root_up(each * 2 * _TAIL)
    return _root_up(clip * clip + product + noise)


def unit_of(quantiser: QuantiserTerms) -> Fraction:
    """The real number that the integer 1 stands for."""
    return Fraction(quantiser.bound_micro, MICRO * largest_value(quantiser.bits))


def variance_of(spec: TaskSpec) -> Fraction:
    """:func:`noise_variance` of a task's last round: what takes part of earlier noise back has the most there."""
    return noise_variance(spec.learning, dimension_of(spec.model), sent_parameters(spec), spec.rounds)


def longest_of(spec: TaskSpec, examples: int) -> int:
    """:func:`longest_update` of a task."""
    return longest_update(spec.learning, dimension_of(spec.model), sent_parameters(spec), examples)


def _step(learning: LearningTerms) -> Fraction:
    """How far one clip in a step's sum moves the parameters, at all coordinates: clip and rate, over what divides."""
    mechanism, optimiser = learning.mechanism, learning.optimiser
    clip = Fraction(mechanism.clip_micro, MICRO)
    if mechanism.kind == "client":  # of the whole update
        return clip
    rate = Fraction(optimiser.learning_rate_micro, MICRO) * clip
    if mechanism.kind == "features":  # of the mean gradient
        return rate
    rate *= mechanism.separation
    return rate / (Fraction(mechanism.sampling_rate_ppm, MICRO) * optimiser.reference_count)


def _sampled(examples: int, rate: Fraction) -> int:
    if rate >= 1:
        return examples
    spread = examples * rate * (1 - rate)
    return min(examples, int(examples * rate) + _SAMPLING * _root_up(spread) + 1)


def _left(band_micro: tuple[int, ...], number: int) -> Fraction:
    """Sum of squares of the first ``number`` weights of the inverse of the band's matrix: of noise Z of this round and
    those before, in the noise of this round."""
    row, squares = [_WEIGHTS], _WEIGHTS * _WEIGHTS
    for _ in range(number - 1):
        following = -sum(band * weight for band, weight in zip(band_micro, row, strict=False)) // MICRO
        if not following and not any(row[: len(band_micro)]):
            break
        row = [following, *row[: len(band_micro) - 1]]
        squares += following * following
    return Fraction(squares, _WEIGHTS * _WEIGHTS)


def _root_up(square: Fraction | int) -> int:
    whole = -(-Fraction(square).numerator // Fraction(square).denominator)
    return isqrt(whole - 1) + 1 if whole else 0
