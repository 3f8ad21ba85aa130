"""How many make a round of a drafted task."""

from __future__ import annotations

from protocol.messages.learning import MICRO
from protocol.messages.task import CohortTerms


def cohort_of(places: int, most: int) -> CohortTerms:
    """Half of those who are expected make a round, of ``most``; nobody weighs more than a third where that can be."""
    least = max(2, -(-most // 2))
    return CohortTerms(least, places, most, max(200_000, -(-MICRO // least)))
