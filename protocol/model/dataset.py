"""Examples as named arrays in one safetensors file: how test sets travel and households keep theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from protocol.errors import MalformedError
from protocol.messages.task import ModelSpec

MAX_DATASET_BYTES = 64 * 1024 * 1024
MAX_INPUT = 2.0**64  # its square is still a number in single precision

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """``arrays``: by name, each of shape (N, ...), of integers or finite reals; row i of each belongs to example i.

    Raises MalformedError for anything else, and for no example at all.
    """

    arrays: Mapping[str, Array]

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype.kind not in "iuf" or array.ndim < 1:
                raise MalformedError(f"examples: {name} is {array.dtype} of shape {array.shape}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise MalformedError(f"examples: {name} holds what is not a number")
        counts = {len(array) for array in self.arrays.values()}
        if len(counts) != 1 or 0 in counts:
            raise MalformedError(f"examples: arrays of {sorted(counts)} rows")

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def take(self, chosen: npt.NDArray[np.int64]) -> Examples:
        """Those with the indices ``chosen``."""
        return Examples({name: array[chosen] for name, array in self.arrays.items()})

    def labelled(self) -> tuple[Array, Array]:
        """``inputs`` (N, ...) and ``labels`` (N,), which are integers. Raises MalformedError for other arrays."""
        if self.arrays.keys() != {"inputs", "labels"}:
            raise MalformedError(f"examples: {', '.join(sorted(self.arrays))} where inputs and labels are needed")
        inputs, labels = self.arrays["inputs"], self.arrays["labels"]
        if labels.ndim != 1 or labels.dtype.kind == "f" or inputs.ndim < 2:
            raise MalformedError("examples: inputs are an array for each example, labels a whole number")
        return inputs, labels


def encode_examples(examples: Examples) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in examples.arrays.items()})


def decode_examples(data: bytes) -> Examples:
    """Raises MalformedError."""
    try:
        arrays = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise MalformedError(f"not a file of examples: {error}") from error
    return Examples(arrays)


def labelled_for(model: ModelSpec, examples: Examples) -> tuple[Array, Array]:
    """Inputs and labels. Raises MalformedError where they do not fit the model."""
    inputs, labels = examples.labelled()
    if inputs.shape[1:] != model.input_shape:
        raise MalformedError(f"inputs of shape {inputs.shape[1:]} where the model takes {model.input_shape}")
    if max(float(inputs.max()), -float(inputs.min())) >= MAX_INPUT:
        raise MalformedError(f"inputs from {inputs.min()} to {inputs.max()}")
    if int(labels.min()) < 0 or int(labels.max()) >= model.classes:
        raise MalformedError(f"labels {labels.min()} to {labels.max()} where the model has {model.classes} classes")
    return inputs, labels


def encode_labelled(inputs: Array, labels: Array) -> bytes:
    return encode_examples(Examples({"inputs": inputs, "labels": labels}))


def decode_labelled(data: bytes) -> tuple[Array, Array]:
    """``inputs`` and ``labels`` of a file that has nothing else. Raises MalformedError."""
    return decode_examples(data).labelled()
