"""Sums, products and exponentials that have one right result, and the port behind which compiled loops stand.

Every number is a sum, product, quotient or comparison in float64. IEEE 754 gives each of them one right result, and the
shapes alone fix their order. So neither the other examples of a batch, nor an example's place among them, nor the
machine changes a bit. numpy's own sums, matrix products, ``exp`` and ``tanh`` promise none of this and are not used.
Examples lie along the last axis.
"""

from __future__ import annotations

from math import factorial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocol.model.window import Window, met

Reals = npt.NDArray[np.float64]

BLOCK = 32  # columns of a matrix at a time, whatever the number of examples
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471806019545, -4.2009150726810846e-11  # the first has 33 bits: its products here are exact
TAYLOR = [1.0 / factorial(power) for power in range(13, -1, -1)]  # error below 2^-57 up to ln(2) / 2
LOWEST = -700.0  # its exponential is a normal number


class Arithmetic(Protocol):
    """What takes nearly all of the time of a layer. Two of them give the same bits, but for those of what is no number.

    n, the number of examples, is a multiple of ``lanes``.
    """

    @property
    def lanes(self) -> int: ...

    def product(self, matrix: Reals, values: Reals) -> Reals:
        """``matrix`` (o, i) times ``values`` (i, n)."""
        ...

    def exponential(self, exponents: Reals) -> Reals:
        """Of numbers that are not above zero; what is below -700 counts as -700."""
        ...

    def convolve(self, values: Reals, weight: Reals, bias: Reals, window: Window) -> Reals:
        """``values`` (channels, height, width, n) under ``weight`` (o, channels, rows, columns)."""
        ...

    def convolution_gradients(self, values: Reals, errors: Reals, window: Window) -> Reals:
        """Of each example's weight, (o, channels, rows, columns, n), for ``errors`` (o, height, width, n)."""
        ...

    def convolution_errors(self, weight: Reals, errors: Reals, taken: tuple[int, ...], window: Window) -> Reals:
        """Of what a convolution took, which has the shape ``taken``."""
        ...

    def outer_sums(self, left: Reals, right: Reals) -> Reals:
        """Over steps, the first axis: columns of ``left`` (s, a, n) times those of ``right`` (s, b, n): (a, b, n)."""
        ...


class Plain:
    """In numpy; the reference."""

    lanes = 1

    def product(self, matrix: Reals, values: Reals) -> Reals:
        return product(matrix, values)

    def exponential(self, exponents: Reals) -> Reals:
        return exponential(exponents)

    def convolve(self, values: Reals, weight: Reals, bias: Reals, window: Window) -> Reals:
        outputs, channels = weight.shape[:2]
        result, shape = bias[:, None], values.shape
        for i, j, there in met(values, window):
            result = result + product(weight[:, :, i, j], there.reshape(channels, -1))
            shape = there.shape
        return result.reshape(outputs, *shape[1:])

    def convolution_gradients(self, values: Reals, errors: Reals, window: Window) -> Reals:
        outputs, rows, columns, count = errors.shape
        kernels = np.zeros((outputs, len(values), window.rows, window.columns, count))
        for row in range(rows):
            for column in range(columns):
                top, left = row * window.row_stride, column * window.column_stride
                there = values[:, top : top + window.rows, left : left + window.columns]
                kernels += errors[:, None, None, None, row, column] * there
        return kernels

    def convolution_errors(self, weight: Reals, errors: Reals, taken: tuple[int, ...], window: Window) -> Reals:
        found = np.zeros(taken)
        for i, j, there in met(found, window):
            there += product(weight[:, :, i, j].T, errors.reshape(len(errors), -1)).reshape(there.shape)
        return found

    def outer_sums(self, left: Reals, right: Reals) -> Reals:
        sums = np.zeros((left.shape[1], right.shape[1], left.shape[2]))
        for one, other in zip(left, right, strict=True):
            sums += one[:, None] * other[None]
        return sums


PLAIN = Plain()


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
    for start in range(0, len(columns), BLOCK):
        result += total(columns[start : start + BLOCK] * values[start : start + BLOCK, None])
    return result


def exponential(exponents: Reals) -> Reals:
    """Of numbers that are not above zero; what is below -700 counts as -700."""
    bounded = np.maximum(exponents, LOWEST)
    powers_of_two = np.rint(bounded * LOG2_E)
    rest = (bounded - powers_of_two * LN2_HIGH) - powers_of_two * LN2_LOW
    result = np.full_like(rest, TAYLOR[0])
    for coefficient in TAYLOR[1:]:
        result = result * rest + coefficient
    return result * np.ldexp(1.0, np.nan_to_num(powers_of_two).astype(np.int64))


def softmax(scores: Reals, arithmetic: Arithmetic = PLAIN) -> Reals:
    """Of each column."""
    powers = arithmetic.exponential(scores - scores.max(axis=0))
    return powers / total(powers)


def tanh(values: Reals, arithmetic: Arithmetic) -> Reals:
    powers = arithmetic.exponential(-2.0 * np.abs(values))
    return np.copysign((1.0 - powers) / (1.0 + powers), values)


def sigmoid(values: Reals, arithmetic: Arithmetic) -> Reals:
    powers = arithmetic.exponential(-np.abs(values))
    return np.where(values < 0.0, powers, 1.0) / (1.0 + powers)
