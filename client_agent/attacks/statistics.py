"""What an attack reached, with the error of that, and the most that a figure of privacy lets any attack reach.

All attacks are measured alike: shown one example, which was learned from or not with even odds, how often is the guess
right? Two examples beside each other would be another game: whoever tells which of the two was in compares two data
sets that differ by both, and the figures are of data sets that differ by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import MICRO
from protocol.privacy.figure import PrivacyFigure

Flags = npt.NDArray[np.bool_]

_NORMAL: Final = 1.959964  # of 95 in 100, both sides
_LARGEST: Final = 60.0  # an exponent beyond which nothing changes that could be shown


@dataclass(frozen=True, slots=True)
class Share:
    """``low`` and ``high``: between them the true share is, in 95 of 100 attacks."""

    right: float
    low: float
    high: float


def of_rehearsals(right: Sequence[Flags]) -> Share:
    """Of at least two rehearsals, each with its guesses, right or not. Within one they share the noise, so the error is
    taken from how rehearsals differ (Student's t)."""
    shares = np.array([one.mean() for one in right])
    error = float(shares.std(ddof=1)) / sqrt(len(shares))
    return _share(float(shares.mean()), error * _student(len(shares) - 1))


def of_both(members: Flags, others: Flags) -> Share:
    """Guesses at ``members`` and at ``others``, right or not, as if both were as many. One more right and one more
    wrong of each keep the interval honest for few (Agresti and Caffo 2000)."""
    shares = [(one.sum() + 1) / (len(one) + 2) for one in (members, others)]
    variance = sum(share * (1 - share) / (len(one) + 2) for share, one in zip(shares, (members, others), strict=True))
    right, error = float(members.mean() + others.mean()) / 2, _NORMAL * sqrt(variance) / 2
    around = _share(sum(shares) / 2, error)
    return Share(right, min(right, around.low), max(right, around.high))


def most_right(figure: PrivacyFigure) -> float:
    """The largest share that privacy of the example allows: of epsilon e and no delta it is e^e / (1 + e^e)."""
    gain, delta = exp(min(figure.epsilon_micro / MICRO, _LARGEST)), 10.0**-figure.delta_exponent
    return (gain + delta) / (1.0 + gain)


def _share(right: float, error: float) -> Share:
    return Share(right, max(0.0, right - error), min(1.0, right + error))


def _student(freedom: int) -> float:
    """Quantile of 97.5 in 100, to 0.01 from four degrees of freedom on (Abramowitz and Stegun 26.7.5)."""
    z = _NORMAL
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, start=1))
