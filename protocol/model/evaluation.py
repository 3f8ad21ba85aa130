"""Right answers of a model on a test set: the layers' arithmetic lets everyone count the same."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from protocol.canonical import decode, encode
from protocol.errors import MalformedError
from protocol.messages.learning import MICRO, ModelSpec
from protocol.model.arithmetic import PLAIN, total
from protocol.model.dataset import Array, check_labels
from protocol.model.features import oriented_gradients
from protocol.model.layers import activations
from protocol.model.layout import Layout
from protocol.model.loss import losses
from protocol.model.specification import fixed_layers, multiplications_of
from protocol.model.speed import PROCESS, padded

Reals = npt.NDArray[np.float64]

CHUNK, COMPILED_CHUNK = 500, 56  # inputs at a time


def count_correct(
    model: ModelSpec,
    parameters: npt.NDArray[np.float32],
    inputs: Array,
    labels: Array,
) -> int:
    """How many of ``inputs`` (N, *input_shape) get their label; of equal scores the lowest class counts.

    A score that is a number is right within the model's tolerance. Raises MalformedError for labels of another kind.
    """
    check_labels(model, labels)
    found = scores_of(model, parameters, inputs)
    if model.predicts_number:
        return int((np.abs(found[0] - labels.astype(np.float64)) <= model.tolerance_micro / MICRO).sum())
    return int((found.argmax(axis=0) == labels).sum())


def mean_loss(
    model: ModelSpec,
    parameters: npt.NDArray[np.float32],
    inputs: Array,
    labels: Array,
    class_weights_micro: tuple[int, ...] = (),
) -> float:
    """Over all examples; the same bits on every machine. Raises MalformedError for labels of another kind."""
    check_labels(model, labels)
    each = losses(model, scores_of(model, parameters, inputs), labels.astype(np.float64), class_weights_micro)
    return float(total(each)) / len(each)


def scores_of(model: ModelSpec, parameters: npt.NDArray[np.float32], inputs: Array) -> Reals:
    """Scores (classes, N) of ``inputs`` (N, *input_shape)."""
    prepared = _remembered(encode(model), inputs.dtype.str, inputs.shape, inputs.tobytes())
    tensors = Layout.of(model).tensors(parameters.astype(np.float64))
    arithmetic = PROCESS.arithmetic_for(multiplications_of(model) * len(inputs))
    chunk, pieces = CHUNK if arithmetic is PLAIN else COMPILED_CHUNK, [np.zeros((model.classes, 0))]
    for start in range(0, len(inputs), chunk):
        piece = prepared[start : start + chunk]
        more = np.repeat(piece[:1], padded(len(piece), arithmetic.lanes) - len(piece), axis=0)
        taken = np.moveaxis(np.concatenate([piece, more]), 0, -1)
        with np.errstate(over="ignore", invalid="ignore"):  # of what is no number the first counts as the largest
            *_, found = activations(model, tensors, taken, arithmetic)
        pieces.append(found[:, : len(piece)])
    return np.concatenate(pieces, axis=1)


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
