"""Per-example clipping: what one example can change in a sum of gradients is at most the clip (Abadi et al. 2016).

An example's clipped gradient is a function of its own gradient alone, bit by bit: its company changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.model.layers import total

Reals = npt.NDArray[np.float64]

_SHORTEST = 1e-12  # a gradient of length zero stays what it is
_MARGIN = 2.0**-40  # more than a length of 2^25 squares and the cut itself are rounded by: under 120 * 2^-53
_LARGEST_SQUARE = 2.0**500  # products of two of them and sums of those are finite


@dataclass(frozen=True, slots=True)
class OuterProducts:
    """The gradients of one tensor for n examples: column k of ``left`` (a, n) times column k of ``right`` (b, n)."""

    left: Reals
    right: Reals

    def sum(self) -> Reals:
        """Over the examples: shape (a, b)."""
        summed: Reals = np.einsum("an,bn->ab", self.left, self.right)
        return summed


def clipped(gradients: Mapping[str, OuterProducts], clip: float) -> tuple[dict[str, OuterProducts], Reals]:
    """min(1, clip / |g|) * g for the gradient g over all tensors of each example, and each |g|, shape (n,).

    No clipped gradient is longer than ``clip``. One with a number that is not finite, or beyond 2^250, counts as zero.
    """
    squares = {name: (_squares(outer.left), _squares(outer.right)) for name, outer in gradients.items()}
    usable = np.all([side < _LARGEST_SQUARE for sides in squares.values() for side in sides], axis=0)
    norms = np.sqrt(np.where(usable, total(np.stack([left * right for left, right in squares.values()])), 0.0))
    factors = clip_factors(norms, clip)
    cut = {
        name: OuterProducts(np.where(usable, outer.left * factors, 0.0), np.where(usable, outer.right, 0.0))
        for name, outer in gradients.items()
    }
    return cut, norms


def clip_factors(norms: Reals, clip: float) -> Reals:
    """What each gradient is multiplied with: min(1, clip / |g|), less what rounding can add."""
    factors: Reals = np.minimum(1.0, clip * (1.0 - _MARGIN) / np.maximum(norms, _SHORTEST))
    return factors


def _squares(vectors: Reals) -> Reals:
    """Squared length of each column."""
    return total(vectors * vectors)
