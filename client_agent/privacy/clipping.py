"""Per-example clipping: what one example can change in a sum of gradients is at most the clip (Abadi et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

_SHORTEST = 1e-12  # a gradient of length zero stays what it is


@dataclass(frozen=True, slots=True)
class ClippedSum:
    """The sum of min(1, clip / |g|) * g over examples, shape (d,), and each |g| before the cut, shape (n,).

    Both are float64, so the bound on one example holds to rounding.
    """

    total: Reals
    norms: Reals


def clip_factors(norms: Reals, clip: float) -> Reals:
    """What each gradient is multiplied with: min(1, clip / |g|)."""
    factors: Reals = np.minimum(1.0, clip / np.maximum(norms, _SHORTEST))
    return factors
