"""The arithmetic of layers on compiled loops; loading it takes seconds (:mod:`protocol.encryption.compilation`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.model import gradient_kernels, kernels
from protocol.model.arithmetic import LN2_HIGH, LN2_LOW, LOG2_E, LOWEST, TAYLOR, Reals
from protocol.model.vectors import LANES
from protocol.model.window import Window

_CONSTANTS = np.array([LOWEST, LOG2_E, LN2_HIGH, LN2_LOW, *TAYLOR])
_SCRATCH_NUMBERS = 32 * LANES


class Compiled:
    """An :class:`~protocol.model.arithmetic.Arithmetic`."""

    lanes = LANES

    def product(self, matrix: Reals, values: Reals) -> Reals:
        (outputs, inputs), count = matrix.shape, values.shape[1]
        result = np.empty((outputs, count))
        kernels.product(_flat(matrix), _flat(values), _flat(result), outputs, inputs, count, _scratch())
        return result

    def exponential(self, exponents: Reals) -> Reals:
        result = np.empty(exponents.shape)
        gradient_kernels.exponential(_flat(exponents), _CONSTANTS, _flat(result))
        return result

    def convolve(self, values: Reals, weight: Reals, bias: Reals, window: Window) -> Reals:
        sizes, count = _sizes(len(weight), values.shape, window), values.shape[-1]
        result = np.empty((len(weight), *window.places(*values.shape[1:3]), count))
        ordered = _flat(weight.transpose(0, 2, 3, 1))
        kernels.convolve(ordered, _flat(bias), _flat(values), _flat(result), sizes, count, _scratch())
        return result

    def convolution_gradients(self, values: Reals, errors: Reals, window: Window) -> Reals:
        sizes, count = _sizes(len(errors), values.shape, window), values.shape[-1]
        result = np.empty((len(errors), len(values), window.rows, window.columns, count))
        gradient_kernels.convolution_gradients(_flat(values), _flat(errors), _flat(result), sizes, count)
        return result

    def convolution_errors(self, weight: Reals, errors: Reals, taken: tuple[int, ...], window: Window) -> Reals:
        result = np.zeros(taken)
        sizes, ordered = _sizes(len(weight), taken, window), _flat(weight.transpose(2, 3, 1, 0))
        kernels.convolution_errors(ordered, _flat(errors), _flat(result), sizes, taken[-1], _scratch())
        return result

    def outer_sums(self, left: Reals, right: Reals) -> Reals:
        (steps, a, count), b = left.shape, right.shape[1]
        result = np.empty((a, b, count))
        gradient_kernels.outer_sums(_flat(left), _flat(right), _flat(result), steps, a, b, count)
        return result


def _flat(array: Reals) -> Reals:
    return np.ascontiguousarray(array).reshape(-1)


def _scratch() -> Reals:
    return np.empty(_SCRATCH_NUMBERS)


def _sizes(outputs: int, taken: tuple[int, ...], window: Window) -> npt.NDArray[np.int64]:
    places = window.places(*taken[1:3])
    strides = window.row_stride, window.column_stride
    return np.array([outputs, *taken[:3], window.rows, window.columns, *strides, *places], dtype=np.int64)
