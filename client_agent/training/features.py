"""Laplace noise on normalised features, and a head trained on them (Zhao et al. 2021, the paper's B): ``features``.

A reproduction, and no guarantee. Each batch is normalised by position; a normalised number is within sqrt(N - 1), N the
size of a batch, so Laplace noise of scale 2 sqrt(N - 1) / epsilon hides one number of one example to that epsilon. An
example has as many of them as the layers before the first trained one give, in every step and every round again; and it
moves mean and deviation of its batch, which nothing hides. The update itself gets no noise.

Noisy numbers go back to the scale of their position before the head sees them: a published model then takes plain
features, and needs no mean and no deviation of any household.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.noise import rounded_laplace
from client_agent.training.evidence import evidence_of
from client_agent.training.gradients import Gradients
from client_agent.training.plain_sums import plain_sum
from client_agent.training.sampling import subset
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.model.arithmetic import total
from protocol.model.dataset import Array
from protocol.model.evaluation import fixed_features
from protocol.model.layout import within_bound
from protocol.model.specification import fixed_layers
from protocol.randomness import Randomness
from protocol.round.training import Assignment, StepEvidence, Training

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LARGEST: Final = 2**15  # of a normalised number, which then stands for sqrt(N - 1)
SENSITIVITY: Final = 2 * LARGEST  # from one end of its range to the other
_SHORTEST: Final = 1e-12  # a gradient of length zero stays what it is


def batch_of(learning: LearningTerms) -> int:
    """N: examples of a batch; public, two at least."""
    return max(2, round(learning.mechanism.sampling_rate_ppm / MICRO * learning.optimiser.reference_count))


def normalised(features: Reals, batch: int) -> tuple[Integers, Reals, Reals]:
    """Of at most ``batch`` examples (n, ...): whole numbers in ±LARGEST, and mean and deviation of each position.

    A position at which all are alike is zero.
    """
    mean = total(features) / len(features)
    apart = features - mean
    deviation = np.sqrt(total(apart * apart) / len(features))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(deviation > 0.0, apart / deviation, 0.0) * (LARGEST / sqrt(batch - 1))
    return np.clip(np.trunc(scaled), -LARGEST, LARGEST).astype(np.int64), mean, deviation


class NoisyFeatures:
    """A :class:`~protocol.round.training.Trainer`. ``noise_multiplier`` is 1 / epsilon of one number; ``clip`` cuts the
    mean gradient of a batch, for the training's sake alone."""

    def __init__(self, model: ModelSpec, inputs: Array, labels: Array, class_weights_micro: tuple[int, ...]) -> None:
        self._features, self._labels, self._weights = fixed_features(model, inputs), labels, class_weights_micro
        shape = tuple(self._features.shape[1:])
        self._head = replace(model, input_shape=shape, layers=model.layers[len(fixed_layers(model)) :])

    def train(self, assignment: Assignment) -> Training:
        learning, sent, randomness = assignment.learning, assignment.sent, assignment.randomness
        rate, clip = learning.optimiser.learning_rate_micro / MICRO, learning.mechanism.clip_micro / MICRO
        start, everybody = assignment.parameters.astype(np.float64), np.arange(len(self._labels))
        current, evidence = start.copy(), list[StepEvidence]()
        for step in range(learning.mechanism.local_steps):
            chosen = subset(everybody, batch_of(learning), randomness, f"{assignment.purpose}/batch/{step}")
            noisy = self._noisy(self._features[chosen], learning, randomness, f"{assignment.purpose}/features/{step}")
            gradients = Gradients(self._head, noisy, self._labels[chosen], self._weights)
            gradient = plain_sum(gradients, current, sent.indices, np.arange(len(chosen))) / batch_of(learning)
            length = sqrt(float(total(gradient * gradient)))
            taken = rate * min(1.0, clip / max(length, _SHORTEST))
            current[sent.indices] = within_bound(current[sent.indices] - taken * gradient)
            evidence.append(evidence_of(np.array([length]), clip))
        return Training((current - start)[sent.indices], tuple(evidence))

    def _noisy(self, features: Reals, learning: LearningTerms, randomness: Randomness, purpose: str) -> Reals:
        batch = batch_of(learning)
        whole, mean, deviation = normalised(features, batch)
        scale = Fraction(SENSITIVITY * learning.mechanism.noise_multiplier_micro, MICRO)
        noise = rounded_laplace(scale, whole.size, randomness.draw, purpose).reshape(whole.shape)
        noisy: Reals = mean + deviation * ((whole + noise) * (sqrt(batch - 1) / LARGEST))
        return noisy


class NothingLearnt:
    """Of a household that has no examples, or may not use them: the noise was theirs, so nothing is left."""

    def train(self, assignment: Assignment) -> Training:
        return Training(np.zeros(len(assignment.sent.indices)), ())
