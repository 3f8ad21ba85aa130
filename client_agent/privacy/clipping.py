"""Per-example clipping onto a public grid: what one example can change in a sum of gradients is at most the clip.

An example's clipped gradient is a vector of integers and a function of its own gradient alone. Its length is checked in
integers, so no rounding of floating point is left in the sensitivity (Abadi et al. 2016 for the clip).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.model.arithmetic import total
from protocol.sparse.grid import FINENESS, units_of_clip

__all__ = ["FINENESS", "clip_factors", "clipped", "units_of_clip"]

Reals = npt.NDArray[np.float64]

SHORTEST = 1e-12  # a gradient of length zero stays what it is
MARGIN = 2.0**-40  # more than a length of 2^25 squares and the cut itself are rounded by: under 120 * 2^-53
LARGEST = 2.0**480  # squares of it, and sums of those, are finite


def clipped(gradients: Reals, clip: float, units: int) -> tuple[Reals, Reals]:
    """min(1, clip / |g|) * g for each column g of ``gradients`` (k, n), and each |g|, shape (n,).

    The first are whole numbers of clip / ``units``, rounded toward zero; the sum of their squares is ``units`` squared
    at most. A gradient with a number that is not finite, or beyond 2^480, or whose squares sum to more, counts as zero.
    """
    usable = np.all(np.abs(gradients) < LARGEST, axis=0)
    kept = np.where(usable, gradients, 0.0)
    norms = np.sqrt(total(kept * kept))
    whole = np.trunc(kept * (units / clip * clip_factors(norms, clip)))
    # whole numbers below 2^53: float64 adds them exactly, in any order
    return np.where((whole * whole).sum(axis=0) <= units * units, whole, 0.0), norms


def clip_factors(norms: Reals, clip: float) -> Reals:
    """What each gradient is multiplied with: min(1, clip / |g|), less what rounding can add."""
    factors: Reals = np.minimum(1.0, clip * (1.0 - MARGIN) / np.maximum(norms, SHORTEST))
    return factors
