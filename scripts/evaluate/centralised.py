"""What a model reaches when all examples lie in one place and nothing is private: ordinary training, in torch.

Between this accuracy and a task's lies the price of privacy and federation. torch's layers and derivatives are also the
other side that the tests hold Hearth's own arithmetic (:mod:`protocol.model.layers`) against.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from protocol.messages.task import ModelSpec
from protocol.model.dataset import Array
from protocol.model.evaluation import fixed_features
from protocol.model.initialization import initial_parameters
from protocol.model.layout import Layout, within_bound
from protocol.model.specification import fixed_layers

EPOCHS, BATCH, LEARNING_RATE = 30, 128, 0.01


def train_together(model: ModelSpec, inputs: Array, labels: Array, seed: int) -> npt.NDArray[np.float32]:
    """Parameters after Adam (Kingma and Ba 2015) on shuffled batches of all examples, without clip and noise."""
    features = torch.from_numpy(fixed_features(model, inputs))
    classes = torch.from_numpy(labels.astype(np.int64))
    parameters = torch.from_numpy(initial_parameters(model).astype(np.float64)).requires_grad_()
    optimiser = torch.optim.Adam([parameters], lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(classes), generator=generator), BATCH):
            optimiser.zero_grad()
            loss = functional.cross_entropy(scores(model, parameters, features[batch]), classes[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return within_bound(parameters.detach().numpy()).astype(np.float32)


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
            case "relu":
                values = torch.relu(values)
            case "tanh":
                values = torch.tanh(values)
            case "flatten":
                values = values.flatten(1)
    found: Tensor = values
    return found
