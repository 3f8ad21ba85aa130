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
from protocol.messages.learning import ModelSpec

MAX_DATASET_BYTES = 64 * 1024 * 1024
MAX_INPUT = 2.0**64  # its square is still a number in single precision
OWNERS = "appliance"  # the array of households whose examples are of several appliances

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """``arrays``: by name, each of shape (N, ...), of integers or reals; row i of each belongs to example i.

    Raises MalformedError for anything else, and for no example at all.
    """

    arrays: Mapping[str, Array]

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            if array.dtype.kind not in "iuf" or array.ndim < 1:
                raise MalformedError(f"examples: {name} is {array.dtype} of shape {array.shape}")
        counts = {len(array) for array in self.arrays.values()}
        if len(counts) != 1 or 0 in counts:
            rows = ", ".join(f"{name} has {len(array)} rows" for name, array in sorted(self.arrays.items()))
            raise MalformedError(
                f"examples: {rows or 'no arrays'}; each array has one row for each example, and at least one"
            )

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def take(self, chosen: npt.NDArray[np.int64]) -> Examples:
        """Those with the indices ``chosen``."""
        return Examples({name: array[chosen] for name, array in self.arrays.items()})

    def labelled(self) -> tuple[Array, Array]:
        """``inputs`` (N, ...) and ``labels`` (N,). Raises MalformedError for arrays other than these and ``owners``."""
        if self.arrays.keys() - {OWNERS} != {"inputs", "labels"}:
            raise MalformedError(f"examples: {', '.join(sorted(self.arrays))} where inputs and labels are needed")
        inputs, labels = self.arrays["inputs"], self.arrays["labels"]
        if labels.ndim != 1 or inputs.ndim < 2:
            raise MalformedError("examples: inputs are an array for each example, labels a number")
        return inputs, labels

    @property
    def owners(self) -> npt.NDArray[np.int64] | None:
        """Which appliance each example is of, shape (N,), by whatever numbers; None where they are not told apart.

        Raises MalformedError for an array of anything else.
        """
        found = self.arrays.get(OWNERS)
        if found is None:
            return None
        if found.ndim != 1 or found.dtype.kind == "f":
            raise MalformedError(f"examples: {OWNERS} is {found.dtype} of shape {found.shape}; each is a whole number")
        return found.astype(np.int64)


def encode_examples(examples: Examples) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in examples.arrays.items()})


def decode_examples(data: bytes) -> Examples:
    """Raises MalformedError."""
    try:
        arrays = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise MalformedError(f"not a file of examples: {error}") from error
    return Examples(arrays)


def usable(model: ModelSpec, examples: Examples) -> npt.NDArray[np.bool_]:
    """Which examples fit the model, shape (N,). Raises MalformedError for arrays of which none can."""
    inputs, labels = examples.labelled()
    if inputs.shape[1:] != model.input_shape:
        raise MalformedError(f"inputs of shape {inputs.shape[1:]} where the model takes {model.input_shape}")
    flat = inputs.reshape(len(inputs), -1)
    lowest, highest = flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)
    in_range = (lowest > -MAX_INPUT) & (highest < MAX_INPUT)  # neither holds of what is not a number
    fits: npt.NDArray[np.bool_] = in_range & _right_kind(model, labels)
    return fits


def check_labels(model: ModelSpec, labels: Array) -> None:
    """Raises MalformedError unless they are whole numbers, or the model predicts a number."""
    if labels.dtype.kind == "f" and not model.predicts_number:
        raise MalformedError(f"labels are {labels.dtype} where the model has {model.classes} classes")


def _right_kind(model: ModelSpec, labels: Array) -> npt.NDArray[np.bool_]:
    """Which are a class of the model, or with one class a number within the bound of inputs."""
    check_labels(model, labels)
    if model.predicts_number:
        return np.abs(labels.astype(np.float64)) < MAX_INPUT
    right: npt.NDArray[np.bool_] = (labels >= 0) & (labels < model.classes)
    return right


def labelled_for(model: ModelSpec, examples: Examples) -> tuple[Array, Array]:
    """Inputs and labels. Raises MalformedError, which names the first example that does not fit the model."""
    fits = usable(model, examples)
    inputs, labels = examples.labelled()
    if not fits.all():
        first = int(fits.argmin())
        if _right_kind(model, labels[first : first + 1])[0]:
            wrong = f"inputs from {inputs[first].min()} to {inputs[first].max()}"
        elif model.predicts_number:
            wrong = f"label {labels[first]} where the model predicts a number within ±2^64"
        else:
            wrong = f"label {labels[first]} where the model has {model.classes} classes"
        raise MalformedError(
            f"{np.count_nonzero(~fits)} of {len(fits)} examples do not fit: number {first} has {wrong}"
        )
    return inputs, labels


def encode_labelled(inputs: Array, labels: Array) -> bytes:
    return encode_examples(Examples({"inputs": inputs, "labels": labels}))


def decode_labelled(data: bytes) -> tuple[Array, Array]:
    """``inputs`` and ``labels``, finite, of a file that has nothing else. Raises MalformedError."""
    examples = decode_examples(data)
    inputs, labels = examples.labelled()
    if OWNERS in examples.arrays:
        raise MalformedError(f"examples: {OWNERS} where only inputs and labels belong")
    for name, array in (("inputs", inputs), ("labels", labels)):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise MalformedError(f"examples: {name} hold what is not a number")
    return inputs, labels
