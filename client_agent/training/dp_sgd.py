"""DP-SGD: Poisson sampling, per-example clipping, noise in every step (Abadi et al. 2016).

Each gradient is cut down to the coordinates that are sent before it is clipped: only those cost noise."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import Protocol

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import units_of_clip
from client_agent.privacy.noise import rounded_gaussian
from client_agent.training.gradients import ClippedSum
from protocol.messages.task import MICRO, LearningTerms
from protocol.model.layout import within_bound
from protocol.randomness import Randomness
from protocol.round.training import StepEvidence, Training
from protocol.sparse.index_set import IndexSet

Chosen = npt.NDArray[np.int64]


class Sums(Protocol):
    """Sums of clipped gradients of one household's examples; :class:`~client_agent.training.gradients.Gradients`."""

    def __len__(self) -> int: ...

    def clipped_sum(
        self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float
    ) -> ClippedSum: ...


class NoExamples:
    """Of a household that has none, or may not use them: the noise stays."""

    def __len__(self) -> int:
        return 0

    def clipped_sum(
        self, point: npt.NDArray[np.float64], sent: npt.NDArray[np.uint32], chosen: Chosen, clip: float
    ) -> ClippedSum:
        return ClippedSum(np.zeros(len(sent), dtype=np.int64), np.zeros(0))


class DpSgd:
    """A :class:`~protocol.round.training.Trainer` on given gradients.

    The public bound on parameters holds for every step: cutting at it is post-processing of noisy numbers.
    """

    def __init__(self, gradients: Sums) -> None:
        self._gradients = gradients

    def train(
        self,
        parameters: npt.NDArray[np.float32],
        learning: LearningTerms,
        sent: IndexSet,
        randomness: Randomness,
        purpose: str,
    ) -> Training:
        mechanism, optimiser, count = learning.mechanism, learning.optimiser, len(sent.indices)
        # a gradient that is cut down to a share of its coordinates is shorter, and noise is added to the share alone
        clip, rate = mechanism.clip_micro / MICRO * sqrt(sent.share), optimiser.learning_rate_micro / MICRO
        units = units_of_clip(count)
        std = Fraction(mechanism.noise_multiplier_micro * units, MICRO)
        public_count = mechanism.sampling_rate_ppm / MICRO * optimiser.reference_count  # never this household's own
        start = parameters.astype(np.float64)
        current, evidence = start.copy(), []
        for step in range(mechanism.local_steps):
            chosen = self._sample(mechanism.sampling_rate_ppm, randomness, f"{purpose}/sample/{step}")
            clipped = self._gradients.clipped_sum(current, sent.indices, chosen, clip)
            noise = rounded_gaussian(std, count, randomness.draw, f"{purpose}/noise/{step}")
            noisy = (clipped.total + noise) * (clip / units)
            current[sent.indices] = within_bound(current[sent.indices] - rate * noisy / public_count)
            evidence.append(_evidence(clipped.norms, clip))
        return Training((current - start)[sent.indices], tuple(evidence))

    def _sample(self, rate_ppm: int, randomness: Randomness, purpose: str) -> Chosen:
        """Each example by itself with the public rate, to 64 bits."""
        random = np.frombuffer(randomness.draw(purpose, 8 * len(self._gradients)), dtype="<u8")
        taken = random <= np.uint64(max(0, rate_ppm * 2**64 // MICRO - 1))
        return np.flatnonzero(taken)


def _evidence(norms: npt.NDArray[np.float64], clip: float) -> StepEvidence:
    kept = np.minimum(norms, clip)
    return StepEvidence(len(norms), int((norms > clip).sum()), float(norms.max(initial=0.0)), float((kept**2).sum()))
