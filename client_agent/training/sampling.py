"""Who takes part in a step, each by a draw of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import MICRO
from protocol.randomness import Randomness

Chosen = npt.NDArray[np.int64]


def sampled(count: int, rate_ppm: int, randomness: Randomness, purpose: str) -> Chosen:
    """Of ``count`` units each by itself with the public rate, to 64 bits: integers are compared (Poisson sampling)."""
    random = np.frombuffer(randomness.draw(purpose, 8 * count), dtype="<u8")
    taken = random <= np.uint64(max(0, rate_ppm * 2**64 // MICRO - 1))
    return np.flatnonzero(taken)


def subset(members: Chosen, most: int, randomness: Randomness, purpose: str) -> Chosen:
    """All of ``members``, or ``most`` of them, every such set with the same chance; in their own order."""
    if len(members) <= most:
        return members
    random = np.frombuffer(randomness.draw(purpose, 8 * len(members)), dtype="<u8")
    return members[np.sort(np.argsort(random, kind="stable")[:most])]
