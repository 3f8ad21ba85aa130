"""The sparse difference: what a client sends of its delta, and what it keeps for later.

Noise went in at every local step, so everything here is post-processing of a private release.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.messages.task import QuantiserTerms
from protocol.randomness import Randomness
from protocol.sparse.quantization import dequantise, quantise


def restrict(
    delta: npt.NDArray[np.float64],
    residual: npt.NDArray[np.float64],
    indices: npt.NDArray[np.uint32],
    quantiser: QuantiserTerms,
    randomness: Randomness,
    purpose: str,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Integers for the round's index set, and the new residual (both arrays over all d coordinates in and out).

    The residual keeps the coordinates outside the index set and what bounding and rounding cut off inside it.
    """
    corrected = delta + residual
    uniform = randomness.draw(f"{purpose}/quantise", 8 * len(indices))
    values = quantise(corrected[indices], quantiser, uniform)
    kept = corrected.copy()
    kept[indices] -= dequantise(values, quantiser)
    return values, kept
