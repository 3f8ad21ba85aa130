"""What a figure of privacy means to a person: how sure an observer may become of one thing, before and after.

With epsilon e, whoever believes with probability p that one example (or appliance, or household) is in the data, can
come to believe it with ``p e^e / (1 - p + p e^e)`` at most (Dwork and Roth 2014, 2.3.2, in the words of Bayes). With
chance delta the bound does not hold. It counts what the worst observer could do, who knows everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp

from protocol.messages.learning import MICRO
from protocol.privacy.figure import PrivacyFigure

LARGEST = 60.0  # an exponent beyond which nothing changes that could be shown


class Strength(StrEnum):
    """In words that a page has: by how much an even chance may move."""

    STRONG = "strong"  # to 3 in 5 at most
    GOOD = "good"  # to 3 in 4
    FAIR = "fair"  # to 19 in 20
    WEAK = "weak"  # further: the noise alone promises little against the worst observer
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Odds:
    """Of 100 people who are as sure as this observer: how many are right."""

    before: float  # probability
    after: float

    @property
    def before_of_100(self) -> int:
        return round(100 * self.before)

    @property
    def after_of_100(self) -> int:
        """Never 100: there is no certainty."""
        return min(99, round(100 * self.after))


def odds(figure: PrivacyFigure | None, before: float) -> Odds:
    """Without a figure an observer may become certain."""
    if figure is None:
        return Odds(before, 1.0)
    gain = exp(min(figure.epsilon_micro / MICRO, LARGEST))
    return Odds(before, before * gain / (1 - before + before * gain))


def strength(figure: PrivacyFigure | None) -> Strength:
    if figure is None:
        return Strength.NONE
    after = odds(figure, 0.5).after
    for most, word in ((0.6, Strength.STRONG), (0.75, Strength.GOOD), (0.95, Strength.FAIR)):
        if after <= most:
            return word
    return Strength.WEAK
