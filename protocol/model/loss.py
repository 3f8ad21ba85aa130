"""The loss of single examples and its derivative by the scores, in stated arithmetic.

With classes the cross-entropy of the softmax; with one class, whose score is a number, half the squared error. A task's
class weights multiply both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import MICRO, ModelSpec
from protocol.model.arithmetic import LN2_HIGH, LN2_LOW, PLAIN, Arithmetic, Reals, softmax, total

_HALF_ROOT = 0.7071067811865476  # a mantissa below it is doubled
_ODD = [1.0 / power for power in range(21, 0, -2)]  # of atanh; error below 2^-56 up to 0.172


def loss_errors(
    model: ModelSpec,
    scores: Reals,
    labels: npt.NDArray[np.float64],
    weights_micro: tuple[int, ...] = (),
    arithmetic: Arithmetic = PLAIN,
) -> Reals:
    """Derivative of each example's loss by its ``scores`` (classes, n), of the same shape; ``labels`` (n,)."""
    if model.predicts_number:
        return scores - labels
    errors, classes = softmax(scores, arithmetic), labels.astype(np.int64)
    errors[classes, np.arange(len(classes))] -= 1.0
    return errors * _weights(weights_micro, classes) if weights_micro else errors


def losses(
    model: ModelSpec, scores: Reals, labels: npt.NDArray[np.float64], weights_micro: tuple[int, ...] = ()
) -> Reals:
    """Of each example, (n,)."""
    if model.predicts_number:
        distance = scores[0] - labels
        squared: Reals = distance * distance * 0.5
        return squared
    classes = labels.astype(np.int64)
    below = scores - scores.max(axis=0)
    entropy: Reals = logarithm(total(PLAIN.exponential(below))) - below[classes, np.arange(len(classes))]
    if weights_micro:
        entropy *= _weights(weights_micro, classes)
    return entropy


def _weights(weights_micro: tuple[int, ...], classes: npt.NDArray[np.int64]) -> Reals:
    weights: Reals = np.array(weights_micro, dtype=np.float64)[classes] / MICRO
    return weights


def logarithm(values: Reals) -> Reals:
    """Of numbers above zero; of what is no number, itself."""
    fractions, exponents = np.frexp(values)
    small = fractions < _HALF_ROOT
    fractions = np.where(small, 2.0 * fractions, fractions)
    powers = exponents.astype(np.float64) - small
    ratio = (fractions - 1.0) / (fractions + 1.0)
    square = ratio * ratio
    series = np.full_like(square, _ODD[0])
    for coefficient in _ODD[1:]:
        series = series * square + coefficient
    result: Reals = powers * LN2_HIGH + (powers * LN2_LOW + 2.0 * ratio * series)
    return result
