"""The sparse difference: what a client sends of its delta, and what it keeps for later.

Noise went in at every local step, so everything here is post-processing of a private release.
Shapes: (d,) over all parameters, (k,) over the coordinates ``indices`` of the round's index set.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.messages.task import QuantiserTerms
from protocol.sparse.quantization import dequantise

Reals = npt.NDArray[np.float64]
Indices = npt.NDArray[np.uint32]


def add_residual(delta: Reals, residual: Reals) -> Reals:
    """What is owed to the model by now, shape (d,): nothing that was held back is lost."""
    return delta + residual


def restrict(owed: Reals, indices: Indices) -> Reals:
    """The coordinates that are sent, from (d,) to (k,)."""
    return owed[indices]


def left_over(owed: Reals, indices: Indices, values: npt.NDArray[np.int64], quantiser: QuantiserTerms) -> Reals:
    """The new residual, shape (d,): what is not sent, and what bounding and rounding cut off from what is."""
    kept = owed.copy()
    kept[indices] -= dequantise(values, quantiser)
    return kept
