"""Named tensors and the flat vector: one order, one encoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from protocol.errors import MalformedError, Party
from protocol.messages.task import ModelSpec
from protocol.model.specification import parameter_shapes

PARAMETER_BOUND = 2.0**16  # of a magnitude; weights that are meant to be trained are a thousand times smaller
_HEADER_BYTES = 200  # of one tensor in a safetensors header, generously
_ALWAYS_SENT_SHARE = 10  # a tenth of the model


@dataclass(frozen=True)
class Layout:
    """``shapes``: name and shape of each trained tensor; the flat vector holds them in this order, row-major."""

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, model: ModelSpec) -> Layout:
        """Raises MalformedError for a model that is not allowed."""
        return cls(parameter_shapes(model))

    @property
    def dimension(self) -> int:
        return sum(prod(shape) for _, shape in self.shapes)

    @property
    def max_bytes(self) -> int:
        """No safetensors file of this layout is larger."""
        return 4 * self.dimension + _HEADER_BYTES * (len(self.shapes) + 1)

    def tensors(self, vector: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Views into the flat vector of ``dimension`` numbers, by name."""
        if vector.shape != (self.dimension,):
            raise MalformedError(f"a vector of shape {vector.shape} where the model has {self.dimension} parameters")
        found, start = {}, 0
        for name, shape in self.shapes:
            found[name] = vector[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        return found

    def places(self, indices: npt.NDArray[np.uint32]) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
        """Ascending coordinates of the flat vector as places of each flat tensor, in the layout's order."""
        start = 0
        for name, shape in self.shapes:
            first, last = np.searchsorted(indices, (start, start + prod(shape)))
            yield name, indices[first:last].astype(np.int64) - start
            start += prod(shape)

    def to_safetensors(self, vector: npt.NDArray[np.float32]) -> bytes:
        return save({name: np.ascontiguousarray(tensor) for name, tensor in self.tensors(vector).items()})

    def from_safetensors(self, data: bytes) -> npt.NDArray[np.float32]:
        """The flat vector. Raises MalformedError unless ``data`` is the one encoding of parameters within the bound,
        which every published model keeps (:func:`~protocol.model.step.apply_step`)."""
        try:
            tensors = load(data) if len(data) <= self.max_bytes else {}
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise MalformedError(f"not a safetensors file: {error}") from error
        shapes = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
        if shapes != {name: (shape, np.dtype(np.float32)) for name, shape in self.shapes}:
            raise MalformedError("the tensors are not those of the model")
        vector = np.concatenate([tensors[name].reshape(-1) for name, _ in self.shapes])
        if self.to_safetensors(vector) != data:
            raise MalformedError("parameters are not in their one encoding")
        if not (np.abs(vector) <= PARAMETER_BOUND).all():
            raise MalformedError(f"a parameter is beyond ±{PARAMETER_BOUND:.0f}", fault=Party.MANUFACTURER)
        return vector


def within_bound(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The nearest parameters that a model may have."""
    return np.clip(vector, -PARAMETER_BOUND, PARAMETER_BOUND)


def always_sent(model: ModelSpec) -> npt.NDArray[np.uint32]:
    """Coordinates of all biases and of the last layer, ascending, if they are under a tenth of the model; else none."""
    layout = Layout.of(model)
    last = layout.shapes[-1][0].partition(".")[0]
    places, start = [], 0
    for name, shape in layout.shapes:
        layer, _, part = name.partition(".")
        if layer == last or part == "bias":
            places.append(np.arange(start, start + prod(shape), dtype=np.uint32))
        start += prod(shape)
    chosen = np.concatenate(places)
    return chosen if _ALWAYS_SENT_SHARE * len(chosen) < layout.dimension else np.zeros(0, dtype=np.uint32)
