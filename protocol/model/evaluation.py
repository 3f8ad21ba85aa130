"""Right answers of a model on a test set: the layers' arithmetic lets everyone count the same."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from protocol.canonical import decode, encode
from protocol.errors import MalformedError
from protocol.messages.task import ModelSpec
from protocol.model.dataset import Array
from protocol.model.features import oriented_gradients
from protocol.model.layers import activations
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
        *_, scores = activations(model, tensors, np.moveaxis(prepared[start : start + CHUNK], 0, -1))
        correct += int((scores.argmax(axis=0) == labels[start : start + CHUNK]).sum())
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
