"""Gradients of one linear layer on fixed features, in numpy: a phone need not load torch for products of matrices.

Sums are numpy's own and not a BLAS library's: one thread, and the same order whatever the number of cores.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import ClippedSum, Reals, clip_factors
from protocol.messages.task import ModelSpec
from protocol.model.dataset import Array
from protocol.model.evaluation import fixed_features
from protocol.model.layout import Layout

CHUNK_NUMBERS = 1_000_000  # of features in double precision at a time


class LinearGradients:
    """For a model of which :func:`~protocol.model.specification.is_linear` holds.

    The gradient of one example is the outer product of error and input, so it need not be made to know its length.
    """

    def __init__(self, model: ModelSpec, inputs: Array, labels: Array) -> None:
        self._layout = Layout.of(model)
        self._inputs = fixed_features(model, inputs).astype(np.float32)  # half of the memory
        self._labels = labels.astype(np.int64)

    def __len__(self) -> int:
        return len(self._labels)

    def clipped_sum(self, point: Reals, chosen: npt.NDArray[np.int64], clip: float) -> ClippedSum:
        """See :class:`client_agent.training.dp_sgd.Gradients`."""
        total, norms = np.zeros(len(point)), [np.zeros(0)]
        summed, layer = self._named(total), self._named(point)
        chunk = max(1, CHUNK_NUMBERS // self._inputs.shape[1])
        for start in range(0, len(chosen), chunk):
            piece = chosen[start : start + chunk]
            inputs = self._inputs[piece].astype(np.float64)
            errors = _softmax(np.einsum("nf,cf->nc", inputs, layer["weight"]) + layer.get("bias", 0.0))
            errors[np.arange(len(piece)), self._labels[piece]] -= 1.0
            lengths = np.sqrt((errors**2).sum(axis=1) * ((inputs**2).sum(axis=1) + ("bias" in layer)))
            errors *= clip_factors(lengths, clip)[:, None]
            summed["weight"] += np.einsum("nc,nf->cf", errors, inputs)
            if "bias" in summed:
                summed["bias"] += errors.sum(axis=0)
            norms.append(lengths)
        return ClippedSum(total, np.concatenate(norms))

    def _named(self, vector: Reals) -> dict[str, Reals]:
        """Views of the layer's weight and, where it has one, its bias."""
        return {name.rpartition(".")[2]: tensor for name, tensor in self._layout.tensors(vector).items()}


def _softmax(scores: Reals) -> Reals:
    """Of each row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Reals = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
