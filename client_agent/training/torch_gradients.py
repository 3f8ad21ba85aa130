"""Gradients of any allowed model, by torch: one for each example (torch.func), cut one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn import functional

from client_agent.privacy.clipping import ClippedSum, Reals, clip_factors
from protocol.messages.task import ModelSpec
from protocol.model.architectures import forward
from protocol.model.dataset import Array
from protocol.model.evaluation import fixed_features

CHUNK_NUMBERS = 8_000_000  # of gradients in memory at a time


class TorchGradients:
    """Single precision up to the gradients, double from their lengths on."""

    def __init__(self, model: ModelSpec, inputs: Array, labels: Array) -> None:
        torch.set_num_threads(1)  # a phone has better uses for its cores, and one thread adds up in one order
        self._inputs = torch.from_numpy(fixed_features(model, inputs).astype(np.float32))
        self._labels = torch.from_numpy(labels.astype(np.int64))

        def loss(point: Tensor, one: Tensor, label: Tensor) -> Tensor:
            return functional.cross_entropy(forward(model, point, one[None]), label[None])

        self._each = vmap(grad(loss), in_dims=(None, 0, 0))

    def __len__(self) -> int:
        return len(self._labels)

    def clipped_sum(self, point: Reals, chosen: npt.NDArray[np.int64], clip: float) -> ClippedSum:
        """See :class:`client_agent.training.dp_sgd.Gradients`."""
        total, norms = np.zeros(len(point)), [np.zeros(0)]
        parameters = torch.from_numpy(point.astype(np.float32))
        chunk = max(1, CHUNK_NUMBERS // len(point))
        for start in range(0, len(chosen), chunk):
            piece = torch.from_numpy(chosen[start : start + chunk])
            gradients = _finite(self._each(parameters, self._inputs[piece], self._labels[piece])).double()
            lengths = gradients.norm(dim=1).numpy()
            total += (torch.from_numpy(clip_factors(lengths, clip)) @ gradients).numpy()
            norms.append(lengths)
        return ClippedSum(total, np.concatenate(norms))


def _finite(values: Tensor) -> Tensor:
    """A model far out of range overflows for some examples only; a sum that is not a number would tell of them."""
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
