"""What a model reaches when all examples lie in one place and nothing is private: ordinary training, in torch.

Between this accuracy and a task's lies the price of privacy and federation. torch's layers and derivatives are also the
other side that the tests hold Hearth's own arithmetic (:mod:`protocol.model.layers`) against.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from protocol.messages.learning import ModelSpec
from protocol.model.dataset import Array
from protocol.model.evaluation import fixed_features
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout, within_bound
from protocol.model.specification import fixed_layers

EPOCHS, BATCH, LEARNING_RATE = 30, 128, 0.01
_GRU = ("input.weight", "hidden.weight", "bias")


def train_together(
    model: ModelSpec,
    inputs: Array,
    labels: Array,
    seed: int,
    epochs: int = EPOCHS,
    odds: npt.NDArray[np.float64] | None = None,
    learning_rate: float = LEARNING_RATE,
) -> npt.NDArray[np.float32]:
    """Parameters after Adam (Kingma and Ba 2015) on shuffled batches of all examples, without clip and noise.

    ``odds``: how often each example is drawn, shape (N,), against the others; once in an epoch each, if left out. The
    learning rate falls to a tenth in a straight line.
    """
    features = torch.from_numpy(fixed_features(model, inputs))
    answers = torch.from_numpy(labels.astype(np.float64))
    parameters = torch.from_numpy(initial_parameters(model).astype(np.float64)).requires_grad_()
    optimiser = torch.optim.Adam([parameters], lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        optimiser.param_groups[0]["lr"] = learning_rate * (1.0 - 0.9 * epoch / epochs)
        for batch in torch.split(_order(len(answers), odds, generator), BATCH):
            optimiser.zero_grad()
            loss = loss_of(model, scores(model, parameters, features[batch]), answers[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return within_bound(parameters.detach().numpy()).astype(np.float32)


def _order(count: int, odds: npt.NDArray[np.float64] | None, generator: torch.Generator) -> Tensor:
    if odds is None:
        return torch.randperm(count, generator=generator)
    return torch.multinomial(torch.from_numpy(odds), count, replacement=True, generator=generator)


def scores(model: ModelSpec, parameters: Tensor, features: Tensor) -> Tensor:
    """Class scores (N, classes) for ``features`` (N, ...), which are the fixed ones."""
    tensors, start = dict[str, Tensor](), 0
    for name, shape in Layout.of(model).shapes:
        tensors[name] = parameters[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    values: Any = features
    for number, layer in list(enumerate(model.layers))[len(fixed_layers(model)) :]:
        match layer.kind:
            case "linear":
                values = functional.linear(values, tensors[f"{number}.weight"], tensors.get(f"{number}.bias"))
            case "convolution":
                weight, bias = tensors[f"{number}.weight"], tensors[f"{number}.bias"]
                values = functional.conv2d(values, weight, bias, stride=layer.arguments["stride"])
            case "rectangular_convolution":
                weight, bias = tensors[f"{number}.weight"], tensors[f"{number}.bias"]
                strides = layer.arguments["row_stride"], layer.arguments["column_stride"]
                values = functional.conv2d(values, weight, bias, stride=strides)
            case "mean_pool":
                values = functional.avg_pool2d(values, (layer.arguments["rows"], layer.arguments["columns"]))
            case "max_pool":
                values = functional.max_pool2d(values, (layer.arguments["rows"], layer.arguments["columns"]))
            case "global_pool":
                values = _global_pool(values.flatten(2), layer.arguments)
            case "gru":
                values = _last_state(values, *(tensors[f"{number}.{name}"] for name in _GRU))
            case "sigmoid":
                values = torch.sigmoid(values)
            case "relu":
                values = torch.relu(values)
            case "tanh":
                values = torch.tanh(values)
            case "flatten":
                values = values.flatten(1)
    found: Tensor = values
    return found


def loss_of(model: ModelSpec, found: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of scores (N, classes); see :mod:`protocol.model.loss`."""
    if model.predicts_number:
        return 0.5 * functional.mse_loss(found[:, 0], labels)
    return functional.cross_entropy(found, labels.long())


def _global_pool(values: Tensor, arguments: Mapping[str, int]) -> Tensor:
    parts = {"mean": values.mean(dim=2), "maximum": values.amax(dim=2)}
    return torch.cat([part for name, part in parts.items() if arguments[name]], dim=1)


def _last_state(values: Tensor, inputs: Tensor, hidden: Tensor, bias: Tensor) -> Tensor:
    """See :mod:`protocol.model.recurrent`; torch's own unit resets after the product."""
    units = hidden.shape[1]
    state = torch.zeros((len(values), units), dtype=values.dtype)
    for step in values.unbind(1):
        given = functional.linear(step, inputs, bias)
        opened = torch.sigmoid(given[:, : 2 * units] + functional.linear(state, hidden[: 2 * units]))
        update, reset = opened[:, :units], opened[:, units:]
        candidate = torch.tanh(given[:, 2 * units :] + functional.linear(reset * state, hidden[2 * units :]))
        state = (1.0 - update) * state + update * candidate
    return state
