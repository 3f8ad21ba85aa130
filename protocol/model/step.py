"""The model's step after a round: everybody computes the same bits from the published sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.messages.task import QuantiserTerms
from protocol.model.layout import within_bound
from protocol.sparse.quantization import dequantise


def apply_step(
    parameters: npt.NDArray[np.float32],
    indices: npt.NDArray[np.uint32],
    sums: npt.NDArray[np.int64],
    sum_of_weights: int,
    quantiser: QuantiserTerms,
) -> npt.NDArray[np.float32]:
    """Parameters plus the weighted mean of the cohort's updates, cut at the bound: float64, rounded once to float32.

    Without the cut a cohort could make a model that phones have to refuse.
    """
    stepped = parameters.astype(np.float64)
    stepped[indices] += dequantise(sums, quantiser) / sum_of_weights
    return within_bound(stepped).astype(np.float32)
