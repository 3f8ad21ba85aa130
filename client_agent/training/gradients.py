"""Gradients of the cross-entropy of single examples by backpropagation, in the arithmetic of the model's layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import clipped, units_of_clip
from protocol.messages.task import Layer, ModelSpec
from protocol.model.dataset import Array
from protocol.model.evaluation import fixed_features
from protocol.model.layers import Reals, activations, product, softmax, total, trained_layers, windows
from protocol.model.layout import Layout

CHUNK_NUMBERS = 400_000  # of activations and sent parameters, for all examples of a chunk together
Indices = npt.NDArray[np.uint32]
Chosen = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OuterProducts:
    """The gradients of one tensor for n examples: column k of ``left`` (a, n) times column k of ``right`` (b, n)."""

    left: Reals
    right: Reals

    def at(self, places: npt.NDArray[np.int64]) -> Reals:
        """At places of the flat tensor, shape (places, n)."""
        rows, columns = np.divmod(places, len(self.right))
        found: Reals = self.left[rows] * self.right[columns]
        return found


@dataclass(frozen=True, slots=True)
class ClippedSum:
    """The sum of clipped gradients over examples, shape (k,), in steps of clip / ``units_of_clip(k)``, and the length
    of each gradient before the cut, shape (n,)."""

    total: npt.NDArray[np.int64]
    norms: Reals


class Gradients:
    """For one model and the examples of one household."""

    def __init__(self, model: ModelSpec, inputs: Array, labels: Array) -> None:
        self._model, self._layout = model, Layout.of(model)
        self._inputs = fixed_features(model, inputs).astype(np.float32)  # half of the memory
        self._labels = labels.astype(np.int64)
        tensors = self._layout.tensors(np.zeros(self._layout.dimension))
        self._numbers = sum(
            values.size for values in activations(model, tensors, np.zeros((*self._inputs.shape[1:], 1)))
        )

    def __len__(self) -> int:
        """Number of examples."""
        return len(self._labels)

    def clipped_sum(self, point: Reals, sent: Indices, chosen: Chosen, clip: float) -> ClippedSum:
        """At the parameters ``point``, over the examples with the indices ``chosen``, at the coordinates ``sent``.

        One example more or less changes it by ``clip`` at most: by a vector of integers of at most that length.
        """
        summed, norms = np.zeros(len(sent)), [np.zeros(0)]
        chunk = max(1, CHUNK_NUMBERS // (self._numbers + len(sent)))
        for start in range(0, len(chosen), chunk):
            whole, lengths = self.clipped(point, sent, chosen[start : start + chunk], clip)
            summed += whole.sum(axis=1)
            norms.append(lengths)
        return ClippedSum(summed.astype(np.int64), np.concatenate(norms))

    def clipped(self, point: Reals, sent: Indices, chosen: Chosen, clip: float) -> tuple[Reals, Reals]:
        """Each example's clipped gradient, a column, in steps of the grid; and each length before the cut."""
        inputs = np.ascontiguousarray(np.moveaxis(self._inputs[chosen].astype(np.float64), 0, -1))
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows counts as zero
            tensors = dict(self._each(self._layout.tensors(point), inputs, self._labels[chosen]))
            parts = [tensors[name].at(places) for name, places in self._layout.places(sent)]
            return clipped(np.concatenate(parts), clip, units_of_clip(len(sent)))

    def _each(
        self, tensors: Mapping[str, Reals], inputs: Reals, labels: npt.NDArray[np.int64]
    ) -> Iterator[tuple[str, OuterProducts]]:
        *taken, scores = activations(self._model, tensors, inputs)
        errors, one = softmax(scores), np.ones((1, len(labels)))
        errors[labels, np.arange(len(labels))] -= 1.0
        first, given = trained_layers(self._model)[0][0], scores
        for (number, layer), values in reversed(list(zip(trained_layers(self._model), taken, strict=True))):
            if layer.kind == "linear":
                yield f"{number}.weight", OuterProducts(errors, values)
                if layer.arguments["bias"]:
                    yield f"{number}.bias", OuterProducts(errors, one)
            elif layer.kind == "convolution":
                kernels, biases = _of_convolution(values, errors, layer.arguments["kernel"], layer.arguments["stride"])
                yield f"{number}.weight", OuterProducts(kernels, one)
                yield f"{number}.bias", OuterProducts(biases, one)
            if number > first:
                errors = _before(layer, tensors.get(f"{number}.weight", errors), values, given, errors)
            given = values


def _of_convolution(values: Reals, errors: Reals, kernel: int, stride: int) -> tuple[Reals, Reals]:
    """Gradients of weight and bias of each example, one a column, for errors (outputs, rows, columns, n)."""
    outputs, rows, columns, count = errors.shape
    kernels = np.zeros((outputs, len(values), kernel, kernel, count))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            kernels += errors[:, None, None, None, row, column] * values[:, top : top + kernel, left : left + kernel]
    biases = total(np.moveaxis(errors.reshape(outputs, -1, count), 1, 0))
    return kernels.reshape(-1, count), biases


def _before(layer: Layer, weight: Reals, taken: Reals, given: Reals, errors: Reals) -> Reals:
    """Errors of what ``layer`` took, from those of what it gave."""
    match layer.kind:
        case "linear":
            return product(weight.T, errors)
        case "convolution":
            found = np.zeros(taken.shape)
            for i, j, met in windows(found, layer.arguments["kernel"], layer.arguments["stride"]):
                met += product(weight[:, :, i, j].T, errors.reshape(len(errors), -1)).reshape(met.shape)
            return found
        case "relu":
            return np.where(taken > 0.0, errors, 0.0)
        case "tanh":
            return errors * (1.0 - given * given)
        case _:
            return errors.reshape(taken.shape)
