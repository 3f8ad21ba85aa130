"""The model's step after a round: everybody computes the same bits from the published sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import MICRO, LearningTerms, ServerTerms
from protocol.model.layout import MEMORY_BOUND, within_bound
from protocol.model.trained import TrainedModel
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import meaning

Reals = npt.NDArray[np.float64]


def apply_step(
    before: TrainedModel,
    sent: IndexSet,
    sums: npt.NDArray[np.int64],
    sum_of_weights: int,
    learning: LearningTerms,
) -> TrainedModel:
    """Moves the parameters as ``learning.server`` says, by the weighted mean of the cohort's updates, and cuts them at
    the bound: float64, rounded once to float32. Without the cut a cohort could make a model that phones have to refuse.

    Coordinates that take turns count with the task's scale times the mean: for the rounds in which they were not sent.
    Of those that were not sent nothing is known, so neither they nor what is remembered of them changes.
    """
    stepped = before.parameters.astype(np.float64)
    scale = np.where(sent.turns, learning.sparsity.scale_micro / MICRO, 1.0)
    update = meaning(sums, learning, sent) / sum_of_weights * scale
    memory = [vector.astype(np.float64) for vector in before.memory] or _beginning(learning.server, len(stepped))
    moved, remembered = _moved(learning.server, update, [vector[sent.indices] for vector in memory])
    stepped[sent.indices] += learning.server.rate_micro / MICRO * moved
    for vector, values in zip(memory, remembered, strict=True):
        vector[sent.indices] = np.clip(values, -MEMORY_BOUND, MEMORY_BOUND)
    return TrainedModel(within_bound(stepped).astype(np.float32), tuple(vector.astype(np.float32) for vector in memory))


def _beginning(server: ServerTerms, dimension: int) -> list[Reals]:
    """What there is to remember before the first round; Reddi et al. have the second moment begin at the stability."""
    match server.kind:
        case "momentum":
            return [np.zeros(dimension)]
        case "adam":
            return [np.zeros(dimension), np.full(dimension, (server.stability_micro / MICRO) ** 2)]
    return []


def _moved(server: ServerTerms, update: Reals, memory: list[Reals]) -> tuple[Reals, list[Reals]]:
    """The direction of the step for the mean ``update``, and what is remembered after it."""
    kept = server.momentum_micro / MICRO
    match server.kind:
        case "momentum":
            momentum = kept * memory[0] + update
            return momentum, [momentum]
        case "adam":
            kept_second = server.second_moment_micro / MICRO
            first = kept * memory[0] + (1.0 - kept) * update
            second = kept_second * memory[1] + (1.0 - kept_second) * (update * update)
            return first / (np.sqrt(second) + server.stability_micro / MICRO), [first, second]
    return update, []
