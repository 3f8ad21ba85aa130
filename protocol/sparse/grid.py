"""The public grid of clipped gradients: whole numbers of one step, which follows from the task alone.

A phone clips in steps of it and adds its noise in steps of it. With the mechanism ``distributed`` these very integers
are sent: nothing that is not linear happens to one client's numbers, so the noise of all clients adds up in the sum.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isqrt, sqrt
from typing import Final

from protocol.messages.learning import MICRO, LearningTerms, MechanismTerms
from protocol.sparse.index_set import IndexSet

DISTRIBUTED: Final = "distributed"  # the kind of mechanism whose grid is sent
FINENESS: Final = 1_000  # rounding toward zero takes less than one part in so many of the clip
_DEVIATIONS: Final = 14  # beyond which no draw of 128 bits is: one side's chance is at least 2^-129


def units_of_clip(count: int) -> int:
    """The clip in steps of the grid. Each of ``count`` coordinates loses less than a step."""
    return FINENESS * (isqrt(count - 1) + 1)


def clip_of(mechanism: MechanismTerms, sent: IndexSet) -> float:
    """What is cut down to a share of its coordinates is shorter: the clip times the square root of the share."""
    return mechanism.clip_micro / MICRO * sqrt(sent.share)


def noise_of(learning: LearningTerms, count: int) -> Fraction:
    """Standard deviation of a step's noise at each of ``count`` coordinates, in steps of the grid."""
    return Fraction(learning.noise_multiplier_micro * units_of_clip(count), MICRO)


def divisor_of(learning: LearningTerms) -> float:
    """Of a noisy sum: how many examples a typical household takes for a step. Public; never a household's own number.

    Of examples that are used every ``separation`` rounds, so many a round.
    """
    mechanism = learning.mechanism
    return mechanism.sampling_rate_ppm / MICRO * learning.optimiser.reference_count / mechanism.separation


def step_of(learning: LearningTerms, sent: IndexSet) -> float:
    """By how much one step of the grid in a noisy sum of gradients moves a parameter."""
    clip, units = clip_of(learning.mechanism, sent), units_of_clip(len(sent.indices))
    return learning.optimiser.learning_rate_micro / MICRO * (clip / units) / divisor_of(learning)


def largest_sum(learning: LearningTerms, count: int, examples: int) -> int:
    """No number that a phone with so many ``examples`` sends under ``distributed`` at ``count`` coordinates is beyond
    it, whatever its data, its noise and its rung."""
    noisiest = learning.on_rung(max(0, len(learning.bayesian.rungs_micro) - 1))
    return examples * units_of_clip(count) + ceil(_DEVIATIONS * noise_of(noisiest, count)) + 1
