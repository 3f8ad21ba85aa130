"""What every system adds up: b-bit integers and public integer weights, the same for all, and their plain sums.

Uniform values are the worst case for no system and leave nothing to compress. numpy only: the peers' environments use
this module too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Workload:
    """``clients`` vectors of ``dimension`` integers in ±``largest``, drawn one by one so that none need be kept."""

    clients: int
    dimension: int
    bits: int = 16
    heaviest: int = 20

    @property
    def largest(self) -> int:
        return (1 << (self.bits - 1)) - 1

    def values(self, client: int) -> Integers:
        """Shape (dimension,)."""
        drawn: Integers = np.random.default_rng((client, self.bits)).integers(
            -self.largest, self.largest, self.dimension, endpoint=True
        )
        return drawn

    @property
    def weights(self) -> list[int]:
        """1, 2, .. ``heaviest``, 1, 2, ..: 20 levels of reputation while the sum of weights allows them."""
        return [1 + client % self.heaviest for client in range(self.clients)]

    @cached_property
    def weighted_sum(self) -> Integers:
        return self._sum(self.weights)

    @cached_property
    def plain_sum(self) -> Integers:
        return self._sum([1] * self.clients)

    def _sum(self, weights: list[int]) -> Integers:
        total = np.zeros(self.dimension, np.int64)
        for client, weight in enumerate(weights):
            total += weight * self.values(client)
        return total


def heaviest_for(clients: int) -> int:
    """How many weight levels fit: the sum of weights stays below what 16-bit values allow (2045), 20 at most."""
    return max(1, min(20, 2000 // clients))
