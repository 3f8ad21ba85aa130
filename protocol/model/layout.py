"""Named tensors and the flat vector: one order, one encoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from math import inf, prod
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from protocol.errors import MalformedError, Party
from protocol.messages.learning import ModelSpec
from protocol.messages.task import TaskSpec
from protocol.model.local_steps import MAX_STEPS
from protocol.model.specification import parameter_shapes
from protocol.model.trained import CONTROL, SECOND_MOMENT, Control, TrainedModel, memory_of

PARAMETER_BOUND = 2.0**16  # of a magnitude; weights that are meant to be trained are a thousand times smaller
MEMORY_BOUND = PARAMETER_BOUND**2  # of what the server's optimiser remembers: squares of updates are in it
_HEADER_BYTES = 200  # of one tensor in a safetensors header, generously
_ALWAYS_SENT_SHARE = 10  # a tenth of the model


@dataclass(frozen=True)
class Layout:
    """``shapes``: name and shape of each trained tensor; the flat vector holds them in this order, row-major.

    ``memory``: flat tensors that a published model has besides, of the server's optimiser; ``controlled``: it says as
    well how many local steps come next.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    memory: tuple[str, ...] = ()
    controlled: bool = False

    @classmethod
    def of(cls, model: ModelSpec) -> Layout:
        """Of the parameters alone. Raises MalformedError for a model that is not allowed."""
        return cls(parameter_shapes(model))

    @classmethod
    def published(cls, spec: TaskSpec) -> Layout:
        """Of the models that a task's rounds publish. Raises SpecError as well, for an unknown server."""
        return cls(parameter_shapes(spec.model), memory_of(spec.learning.server), spec.control.max_local_steps > 0)

    @property
    def dimension(self) -> int:
        return sum(prod(shape) for _, shape in self.shapes)

    @property
    def max_bytes(self) -> int:
        """No safetensors file of this layout is larger."""
        vectors = 1 + len(self.memory)
        return 4 * self.dimension * vectors + _HEADER_BYTES * (len(self.shapes) + vectors + self.controlled)

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
        """Of the parameters alone."""
        return self.encode(TrainedModel(vector))

    def from_safetensors(self, data: bytes) -> npt.NDArray[np.float32]:
        """The parameters of :meth:`decode`."""
        return self.decode(data).parameters

    def encode(self, model: TrainedModel) -> bytes:
        """Safetensors; with the optimiser's memory and the control, if there are any yet."""
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in self.tensors(model.parameters).items()}
        tensors |= dict(zip(self.memory, model.memory, strict=False))
        if model.control is not None:
            numbers = astuple(model.control)
            tensors[CONTROL] = np.array(numbers, dtype=np.float64)
        return save(tensors)

    def decode(self, data: bytes) -> TrainedModel:
        """Raises MalformedError unless ``data`` is the one encoding of a model within the bounds, which every published
        model keeps (:func:`~protocol.model.step.apply_step`). An initial model has its parameters alone."""
        try:
            tensors = load(data) if len(data) <= self.max_bytes else {}
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise MalformedError(f"not a safetensors file: {error}") from error
        found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
        parameters = {name: (shape, np.dtype(np.float32)) for name, shape in self.shapes}
        memory = {name: ((self.dimension,), np.dtype(np.float32)) for name in self.memory}
        control = {CONTROL: ((4,), np.dtype(np.float64))} if self.controlled else {}
        if found not in (parameters, parameters | memory | control):
            raise MalformedError("the tensors are not those of the model")
        vector = np.concatenate([tensors[name].reshape(-1) for name, _ in self.shapes])
        remembered = tuple(tensors[name] for name in self.memory if name in tensors)
        model = TrainedModel(vector, remembered, _control(tensors[CONTROL]) if CONTROL in tensors else None)
        if self.encode(model) != data:
            raise MalformedError("parameters are not in their one encoding")
        if not (np.abs(vector) <= PARAMETER_BOUND).all():
            raise MalformedError(f"a parameter is beyond ±{PARAMETER_BOUND:.0f}", fault=Party.MANUFACTURER)
        for name, values in zip(self.memory, remembered, strict=False):
            lowest = 0.0 if name == SECOND_MOMENT else -MEMORY_BOUND
            if not ((values >= lowest) & (values <= MEMORY_BOUND)).all():
                raise MalformedError(f"{name} is beyond what a step can make of it")
        return model


def _control(numbers: npt.NDArray[np.float64]) -> Control:
    steps, rate, slope, divergence = (float(number) for number in numbers)
    counts = steps.is_integer() and 1.0 <= steps <= MAX_STEPS
    if not (counts and 0.0 < rate < inf and 0.0 <= slope < inf and 0.0 <= divergence < inf):
        raise MalformedError("the control is beyond what a round can make of it")
    return Control(int(steps), rate, slope, divergence)


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
