"""The trained layers in stated arithmetic: an example's scores depend on the example and the parameters alone.

Every number is a sum, product, quotient or comparison in float64. IEEE 754 gives each of them one right result, and the
model alone fixes their order. So neither the other examples of a batch, nor an example's place among them, nor the
machine changes a bit. numpy's own sums, matrix products, ``exp`` and ``tanh`` promise none of this and are not used.
Examples lie along the last axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import factorial

import numpy as np
import numpy.typing as npt

from protocol.errors import MalformedError
from protocol.messages.task import Layer, ModelSpec
from protocol.model.specification import fixed_layers

Reals = npt.NDArray[np.float64]

_BLOCK = 32  # columns of a matrix at a time, whatever the number of examples
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471806019545, -4.2009150726810846e-11  # the first has 33 bits: its products here are exact
_TAYLOR = [1.0 / factorial(power) for power in range(13, -1, -1)]  # error below 2^-57 up to ln(2) / 2
_LOWEST = -700.0  # its exponential is a normal number


def trained_layers(model: ModelSpec) -> list[tuple[int, Layer]]:
    """Number and layer of all that follow the fixed ones."""
    return list(enumerate(model.layers))[len(fixed_layers(model)) :]


def activations(model: ModelSpec, tensors: Mapping[str, Reals], inputs: Reals) -> Iterator[Reals]:
    """What each trained layer takes, from ``inputs`` (..., n), the fixed features, on; then the scores (classes, n)."""
    values = inputs
    for number, layer in trained_layers(model):
        yield values
        values = _apply(layer, tensors, number, values)
    yield values


def total(terms: Reals) -> Reals:
    """Sum along the first axis, the second half upon the first until one is left."""
    while len(terms) > 1:
        half = len(terms) // 2
        folded = terms[:half] + terms[half : 2 * half]
        if len(terms) % 2:
            folded[0] += terms[-1]
        terms = folded
    last: Reals = terms[0]
    return last


def product(matrix: Reals, values: Reals) -> Reals:
    """``matrix`` (o, i) times ``values`` (i, n)."""
    columns = np.ascontiguousarray(matrix.T)[:, :, None]
    result = np.zeros((len(matrix), values.shape[1]))
    for start in range(0, len(columns), _BLOCK):
        result += total(columns[start : start + _BLOCK] * values[start : start + _BLOCK, None])
    return result


def softmax(scores: Reals) -> Reals:
    """Of each column."""
    powers = _exponential(scores - scores.max(axis=0))
    return powers / total(powers)


def windows(values: Reals, kernel: int, stride: int) -> Iterator[tuple[int, int, Reals]]:
    """Row i, column j of the kernel, and the view (channels, rows, columns, n) of all that it meets there."""
    rows, columns = ((side - kernel) // stride + 1 for side in values.shape[1:3])
    for i in range(kernel):
        for j in range(kernel):
            yield i, j, values[:, i : i + stride * rows : stride, j : j + stride * columns : stride]


def _apply(layer: Layer, tensors: Mapping[str, Reals], number: int, values: Reals) -> Reals:
    match layer.kind:
        case "linear":
            scores = product(tensors[f"{number}.weight"], values)
            return scores + tensors[f"{number}.bias"][:, None] if layer.arguments["bias"] else scores
        case "convolution":
            return _convolve(values, tensors[f"{number}.weight"], tensors[f"{number}.bias"], layer.arguments["stride"])
        case "relu":
            return np.where(values < 0.0, 0.0, values)  # of two zeros, maximum may give either
        case "tanh":
            powers = _exponential(-2.0 * np.abs(values))
            return np.copysign((1.0 - powers) / (1.0 + powers), values)
        case "flatten":
            return values.reshape(-1, values.shape[-1])
        case kind:
            raise MalformedError(f"layer {number}: {kind} cannot stand here")


def _convolve(values: Reals, weight: Reals, bias: Reals, stride: int) -> Reals:
    outputs, channels, kernel, _ = weight.shape
    result, shape = bias[:, None], values.shape
    for i, j, met in windows(values, kernel, stride):
        result = result + product(weight[:, :, i, j], met.reshape(channels, -1))
        shape = met.shape
    return result.reshape(outputs, *shape[1:])


def _exponential(exponents: Reals) -> Reals:
    """Of numbers that are not above zero; what is below -700 counts as -700."""
    bounded = np.maximum(exponents, _LOWEST)
    powers_of_two = np.rint(bounded * _LOG2_E)
    rest = (bounded - powers_of_two * _LN2_HIGH) - powers_of_two * _LN2_LOW
    result = np.full_like(rest, _TAYLOR[0])
    for coefficient in _TAYLOR[1:]:
        result = result * rest + coefficient
    return result * np.ldexp(1.0, np.nan_to_num(powers_of_two).astype(np.int64))
