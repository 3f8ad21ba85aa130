"""Right answers of a model on a test set, counted in float64 so that everyone counts the same.

Every sum runs in a fixed order, one product after the other, and nothing is left to a BLAS library; only ``tanh``
depends on the platform's mathematics, so a task that publishes an accuracy to the last example uses ``relu``.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from protocol.canonical import decode, encode
from protocol.errors import MalformedError
from protocol.messages.task import Layer, ModelSpec
from protocol.model.dataset import Array
from protocol.model.features import oriented_gradients
from protocol.model.layout import Layout
from protocol.model.specification import fixed_layers

Reals = npt.NDArray[np.float64]

CHUNK = 500  # inputs at a time


def count_correct(
    model: ModelSpec,
    parameters: npt.NDArray[np.float32],
    inputs: Array,
    labels: Array,
) -> int:
    """How many of ``inputs`` (N, *input_shape) get their label; of equal scores the lowest class counts."""
    prepared = _remembered(encode(model), inputs.dtype.str, inputs.shape, inputs.tobytes())
    tensors = Layout.of(model).tensors(parameters.astype(np.float64))
    correct = 0
    for start in range(0, len(labels), CHUNK):
        scores = _forward(model, tensors, prepared[start : start + CHUNK])
        correct += int((scores.argmax(axis=1) == labels[start : start + CHUNK]).sum())
    return correct


def fixed_features(model: ModelSpec, inputs: Array) -> Reals:
    """What the leading layers without parameters make of ``inputs``. Raises MalformedError for another shape."""
    if inputs.shape[1:] != model.input_shape:
        raise MalformedError(f"inputs of shape {inputs.shape[1:]} where the model takes {model.input_shape}")
    pieces = []
    for start in range(0, len(inputs), CHUNK):
        piece = inputs[start : start + CHUNK]
        values = None
        for layer in fixed_layers(model):
            if layer.kind == "oriented_gradients":
                values = oriented_gradients(piece, layer.arguments)
            elif values is None:
                values = piece.reshape(len(piece), -1).astype(np.float64)
        pieces.append(piece.astype(np.float64) if values is None else values)
    return np.concatenate(pieces) if pieces else np.zeros((0, 1))


@lru_cache(maxsize=2)
def _remembered(model: bytes, dtype: str, shape: tuple[int, ...], inputs: bytes) -> Reals:
    """Features of the same inputs are computed once: a task is evaluated after every round."""
    return fixed_features(decode(ModelSpec, model), np.frombuffer(inputs, dtype=dtype).reshape(shape))


def _forward(model: ModelSpec, tensors: dict[str, Reals], values: Reals) -> Reals:
    for number, layer in enumerate(model.layers):
        if number >= len(fixed_layers(model)):
            values = _apply(layer, tensors, number, values)
    return values


def _apply(layer: Layer, tensors: dict[str, Reals], number: int, values: Reals) -> Reals:
    match layer.kind:
        case "linear":
            weight = tensors[f"{number}.weight"]
            scores = np.zeros((len(values), len(weight)))
            for column in range(weight.shape[1]):
                scores += values[:, column, None] * weight[None, :, column]
            return scores + tensors[f"{number}.bias"] if layer.arguments["bias"] else scores
        case "convolution":
            return _convolve(values, tensors[f"{number}.weight"], tensors[f"{number}.bias"], layer.arguments["stride"])
        case "relu":
            return np.maximum(values, 0.0)
        case "tanh":
            return np.tanh(values)
        case "flatten":
            return values.reshape(len(values), -1)
        case kind:
            raise MalformedError(f"layer {number}: {kind} cannot stand here")


def _convolve(values: Reals, weight: Reals, bias: Reals, stride: int) -> Reals:
    outputs, channels, kernel, _ = weight.shape
    rows, columns = ((side - kernel) // stride + 1 for side in values.shape[2:])
    result = np.zeros((len(values), outputs, rows, columns))
    for channel in range(channels):
        for i in range(kernel):
            for j in range(kernel):
                patch = values[:, channel, i : i + stride * rows : stride, j : j + stride * columns : stride]
                result += patch[:, None] * weight[None, :, channel, i, j, None, None]
    return result + bias[None, :, None, None]
