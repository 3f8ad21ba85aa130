"""The model's step after a round: everybody computes the same bits from the published sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.messages.task import MICRO, LearningTerms
from protocol.model.layout import within_bound
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import dequantise


def apply_step(
    parameters: npt.NDArray[np.float32],
    sent: IndexSet,
    sums: npt.NDArray[np.int64],
    sum_of_weights: int,
    learning: LearningTerms,
) -> npt.NDArray[np.float32]:
    """Parameters plus the weighted mean of the cohort's updates, cut at the bound: float64, rounded once to float32.

    Coordinates that take turns move by the task's scale times the mean: for the rounds in which they were not sent.
    Without the cut a cohort could make a model that phones have to refuse.
    """
    stepped = parameters.astype(np.float64)
    scale = np.where(sent.turns, learning.sparsity.scale_micro / MICRO, 1.0)
    stepped[sent.indices] += dequantise(sums, learning.quantiser) / sum_of_weights * scale
    return within_bound(stepped).astype(np.float32)
