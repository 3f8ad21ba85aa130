"""DP-SGD: Poisson sampling, per-example clipping, noise in every step (Abadi et al. 2016)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from client_agent.privacy.noise import bytes_for, standard_normal
from client_agent.training.gradients import ClippedSum
from protocol.messages.task import MICRO, LearningTerms
from protocol.model.layout import within_bound
from protocol.randomness import Randomness
from protocol.round.training import StepEvidence, Training

Chosen = npt.NDArray[np.int64]


class Sums(Protocol):
    """Sums of clipped gradients of one household's examples; :class:`~client_agent.training.gradients.Gradients`."""

    def __len__(self) -> int: ...

    def clipped_sum(self, point: npt.NDArray[np.float64], chosen: Chosen, clip: float) -> ClippedSum: ...


class NoExamples:
    """Of a household that has none, or may not use them: the noise stays."""

    def __len__(self) -> int:
        return 0

    def clipped_sum(self, point: npt.NDArray[np.float64], chosen: Chosen, clip: float) -> ClippedSum:
        return ClippedSum(np.zeros(len(point)), np.zeros(0))


class DpSgd:
    """A :class:`~protocol.round.training.Trainer` on given gradients.

    The public bound on parameters holds for every step: cutting at it is post-processing of noisy numbers.
    """

    def __init__(self, gradients: Sums) -> None:
        self._gradients = gradients

    def train(
        self, parameters: npt.NDArray[np.float32], learning: LearningTerms, randomness: Randomness, purpose: str
    ) -> Training:
        mechanism, optimiser = learning.mechanism, learning.optimiser
        clip, sigma = mechanism.clip_micro / MICRO, mechanism.noise_multiplier_micro / MICRO
        rate = optimiser.learning_rate_micro / MICRO
        public_count = mechanism.sampling_rate_ppm / MICRO * optimiser.reference_count  # never this household's own
        start = parameters.astype(np.float64)
        current, evidence = start.copy(), []
        for step in range(mechanism.local_steps):
            chosen = self._sample(mechanism.sampling_rate_ppm, randomness, f"{purpose}/sample/{step}")
            clipped = self._gradients.clipped_sum(current, chosen, clip)
            random = randomness.draw(f"{purpose}/noise/{step}", bytes_for(len(current)))
            noisy = clipped.total + sigma * clip * standard_normal(random)[: len(current)]
            current = within_bound(current - rate * noisy / public_count)
            evidence.append(_evidence(clipped.norms, clip))
        return Training(current - start, tuple(evidence))

    def _sample(self, rate_ppm: int, randomness: Randomness, purpose: str) -> Chosen:
        """Each example by itself with the public rate."""
        random = np.frombuffer(randomness.draw(purpose, 8 * len(self._gradients)), dtype="<u8") >> np.uint64(11)
        return np.flatnonzero(random * 2.0**-53 < rate_ppm / MICRO)


def _evidence(norms: npt.NDArray[np.float64], clip: float) -> StepEvidence:
    kept = np.minimum(norms, clip)
    return StepEvidence(len(norms), int((norms > clip).sum()), float(norms.max(initial=0.0)), float((kept**2).sum()))
