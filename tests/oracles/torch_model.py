"""Declared layers as torch functions of a flat parameter vector: what Hearth's own arithmetic is held against."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from protocol.messages.task import ModelSpec
from protocol.model.layout import Layout
from protocol.model.specification import fixed_layers


def forward(model: ModelSpec, parameters: Tensor, inputs: Tensor) -> Tensor:
    """Class scores (N, classes) for ``inputs`` (N, ...), which are the fixed features; works under torch.func."""
    tensors, start = {}, 0
    for name, shape in Layout.of(model).shapes:
        tensors[name] = parameters[start : start + prod(shape)].reshape(shape)
        start += prod(shape)
    values = inputs
    for number, layer in enumerate(model.layers):
        if number < len(fixed_layers(model)):
            continue
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
    return values
