"""Training of many households at once: the integers that each would send by itself, in one step over all arrays.

All start from the same parameters, so with one local step every example's gradient is taken at one point. Clipping,
sampling, noise and rounding are the phone's own functions, on the arrays of many households one behind the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import units_of_clip
from client_agent.privacy.noise import rounded_gaussians
from client_agent.training.gradients import Gradients
from client_agent.training.sampling import sampled
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.model.dataset import Array
from protocol.model.layout import within_bound
from protocol.randomness import Randomness
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import bound, quantise

NUMBERS_AT_ONCE: Final = 600_000  # gradients of the examples of so many households as fit


@dataclass(frozen=True, slots=True, eq=False)
class BatchedTraining:
    """One round. ``randomness``: each household's own, in the order of the examples; ``purpose`` names the round."""

    parameters: npt.NDArray[np.float32]
    learning: LearningTerms
    sent: IndexSet
    purpose: str


class Households:
    """Examples of households of equal size: ``inputs`` (clients, n, ...), ``labels`` (clients, n)."""

    def __init__(self, model: ModelSpec, inputs: Array, labels: Array) -> None:
        self.clients, self._each = labels.shape
        self._gradients = Gradients(model, inputs.reshape(-1, *inputs.shape[2:]), labels.reshape(-1))

    def updates(self, training: BatchedTraining, randomness: Sequence[Randomness]) -> Iterator[npt.NDArray[np.int64]]:
        """Of all households in order, some at a time: shape (some, k). Each row is what
        :func:`~protocol.round.update.prepare_update` gives for the household alone, bit for bit.

        Raises ValueError for a mechanism other than ``example`` with one local step, and where examples are held out.
        """
        mechanism, learning = training.learning.mechanism, training.learning
        one_step = (mechanism.kind, mechanism.unit, mechanism.local_steps) == ("example", "example", 1)
        if not one_step or learning.bayesian.held_out_ppm:
            raise ValueError("only one step of private gradient descent can be made for many households at once")
        count = max(1, NUMBERS_AT_ONCE // (self._each * len(training.sent.indices)))
        for first in range(0, self.clients, count):
            yield self._updates(training, first, randomness[first : first + count])

    def _updates(
        self, training: BatchedTraining, first: int, randomness: Sequence[Randomness]
    ) -> npt.NDArray[np.int64]:
        learning, sent, purpose = training.learning, training.sent, training.purpose
        mechanism, optimiser, k = learning.mechanism, learning.optimiser, len(training.sent.indices)
        clip, rate = mechanism.clip_micro / MICRO * sqrt(sent.share), optimiser.learning_rate_micro / MICRO
        units, start = units_of_clip(k), training.parameters.astype(np.float64)
        public_count = mechanism.sampling_rate_ppm / MICRO * optimiser.reference_count
        chosen = [sampled(self._each, mechanism.sampling_rate_ppm, one, f"{purpose}/sample/0") for one in randomness]
        sums = self._sums(start, sent.indices, chosen, first, clip)
        std = Fraction(learning.noise_multiplier_micro * units, MICRO)
        noise = rounded_gaussians(std, k, [one.draw for one in randomness], f"{purpose}/noise/0")
        noisy = (sums + noise) * (clip / units)
        before = start[sent.indices]
        deltas = within_bound(before - rate * noisy / public_count) - before
        uniform = b"".join(one.draw(f"{purpose}/quantise", 8 * k) for one in randomness)
        values = quantise(bound(deltas.reshape(-1), learning.quantiser), learning.quantiser, uniform)
        return values.reshape(len(randomness), k)

    def _sums(
        self,
        point: npt.NDArray[np.float64],
        sent: npt.NDArray[np.uint32],
        chosen: Sequence[npt.NDArray[np.int64]],
        first: int,
        clip: float,
    ) -> npt.NDArray[np.int64]:
        """Of each household's clipped gradients, shape (households, k)."""
        places = [self._each * (first + place) + own for place, own in enumerate(chosen)]
        total = np.zeros((len(chosen), len(sent)), dtype=np.int64)
        filled = np.flatnonzero([len(own) for own in chosen])
        if len(filled):
            whole, _ = self._gradients.clipped(point, sent, np.concatenate(places), clip)
            starts = np.cumsum([0, *(len(own) for own in chosen)])[filled]
            total[filled] = np.add.reduceat(whole, starts, axis=1).T  # whole numbers below 2^53: exact in any order
        return total
