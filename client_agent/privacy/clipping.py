"""Per-example gradients, each cut to a length, summed: what one example can change is at most the clip."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.func import grad, vmap
from torch.nn import functional

from protocol.messages.task import ModelSpec
from protocol.model.architectures import forward
from protocol.model.specification import fixed_layers

CHUNK_NUMBERS = 8_000_000  # per-example gradients in memory at a time


def clipped_gradient_sum(
    model: ModelSpec, parameters: Tensor, inputs: Tensor, labels: Tensor, clip: float
) -> npt.NDArray[np.float64]:
    """Sum over examples of min(1, clip / |g|) * g, g the gradient of the cross-entropy of one example, shape (d,).

    ``inputs`` are the fixed features. Norms and sums are float64, so the bound on one example holds to rounding.
    Zero for no examples.
    """
    linear = _is_linear(model)
    width = inputs[:1].numel() if linear else len(parameters)
    chunk = max(1, CHUNK_NUMBERS // max(1, width))
    total = np.zeros(len(parameters))
    for start in range(0, len(labels), chunk):
        piece, wanted = inputs[start : start + chunk], labels[start : start + chunk]
        summed = _linear_sum if linear else _general_sum
        total += summed(model, parameters, piece, wanted, clip).numpy()
    return total


def _is_linear(model: ModelSpec) -> bool:
    trained = model.layers[len(fixed_layers(model)) :]
    return len(trained) == 1 and trained[0].kind == "linear"


def _linear_sum(model: ModelSpec, parameters: Tensor, inputs: Tensor, labels: Tensor, clip: float) -> Tensor:
    """The same without making each gradient: for one linear layer it is the outer product of error and input."""
    errors = torch.softmax(forward(model, parameters, inputs), dim=1)
    errors = _finite(errors - functional.one_hot(labels, model.classes)).double()
    inputs = inputs.double()
    bias = bool(model.layers[-1].arguments["bias"])
    squares = inputs.square().sum(dim=1) + (1.0 if bias else 0.0)
    scaled = errors * _factors((errors.square().sum(dim=1) * squares).sqrt(), clip)[:, None]
    weight = scaled.T @ inputs
    return torch.cat([weight.reshape(-1), scaled.sum(dim=0)]) if bias else weight.reshape(-1)


def _general_sum(model: ModelSpec, parameters: Tensor, inputs: Tensor, labels: Tensor, clip: float) -> Tensor:
    def loss(flat: Tensor, one: Tensor, label: Tensor) -> Tensor:
        return functional.cross_entropy(forward(model, flat, one[None]), label[None])

    gradients = _finite(vmap(grad(loss), in_dims=(None, 0, 0))(parameters, inputs, labels)).double()
    return _factors(gradients.norm(dim=1), clip) @ gradients


def _finite(values: Tensor) -> Tensor:
    """A model far out of range overflows for some examples only; a sum that is not a number would tell of them."""
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _factors(norms: Tensor, clip: float) -> Tensor:
    return (clip / norms.clamp(min=1e-12)).clamp(max=1.0)
