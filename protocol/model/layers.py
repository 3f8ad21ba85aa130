"""The trained layers in stated arithmetic: an example's scores depend on the example and the parameters alone.

See :mod:`protocol.model.arithmetic`. Examples lie along the last axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from protocol.errors import MalformedError
from protocol.messages.learning import Layer, ModelSpec
from protocol.model.arithmetic import PLAIN, Arithmetic, Reals, sigmoid, tanh
from protocol.model.pooling import pool
from protocol.model.recurrent import Memory, last_state
from protocol.model.specification import fixed_layers
from protocol.model.window import Window


def trained_layers(model: ModelSpec) -> list[tuple[int, Layer]]:
    """Number and layer of all that follow the fixed ones."""
    return list(enumerate(model.layers))[len(fixed_layers(model)) :]


def activations(
    model: ModelSpec, tensors: Mapping[str, Reals], inputs: Reals, arithmetic: Arithmetic = PLAIN
) -> Iterator[Reals]:
    """What each trained layer takes, from ``inputs`` (..., n), the fixed features, on; then the scores (classes, n)."""
    for values, _ in passages(model, tensors, inputs, arithmetic):
        yield values


def passages(
    model: ModelSpec, tensors: Mapping[str, Reals], inputs: Reals, arithmetic: Arithmetic
) -> Iterator[tuple[Reals, Memory | None]]:
    """:func:`activations`, each with what the layer that gave it remembers for its gradients."""
    values: Reals = inputs
    memory: Memory | None = None
    for number, layer in trained_layers(model):
        yield values, memory
        memory = None
        if layer.kind == "gru":
            values, memory = last_state(values, own(tensors, number), arithmetic)
        else:
            values = _apply(layer, tensors, number, values, arithmetic)
    yield values, memory


def own(tensors: Mapping[str, Reals], number: int) -> dict[str, Reals]:
    """A layer's tensors by their names within it."""
    prefix = f"{number}."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _apply(layer: Layer, tensors: Mapping[str, Reals], number: int, values: Reals, arithmetic: Arithmetic) -> Reals:
    match layer.kind:
        case "linear":
            scores = arithmetic.product(tensors[f"{number}.weight"], values)
            return scores + tensors[f"{number}.bias"][:, None] if layer.arguments["bias"] else scores
        case "convolution" | "rectangular_convolution":
            weight, bias = tensors[f"{number}.weight"], tensors[f"{number}.bias"]
            return arithmetic.convolve(values, weight, bias, Window.of(layer))
        case "relu":
            return np.where(values < 0.0, 0.0, values)  # of two zeros, maximum may give either
        case "tanh":
            return tanh(values, arithmetic)
        case "sigmoid":
            return sigmoid(values, arithmetic)
        case "mean_pool" | "max_pool" | "global_pool":
            return pool(layer, values)
        case "flatten":
            return values.reshape(-1, values.shape[-1])
        case kind:
            raise MalformedError(f"layer {number}: {kind} cannot stand here")
