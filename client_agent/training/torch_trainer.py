"""DP-SGD with torch: Poisson sampling, per-example clipping, noise in every step (Abadi et al. 2016)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from client_agent.privacy.clipping import clipped_gradient_sum
from client_agent.privacy.noise import bytes_for, standard_normal
from protocol.errors import MalformedError
from protocol.messages.task import MICRO, LearningTerms, ModelSpec
from protocol.model.evaluation import fixed_features
from protocol.randomness import Randomness


class TorchTrainer:
    """One household's examples, their fixed features computed once. Raises MalformedError for data that do not fit."""

    def __init__(self, model: ModelSpec, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> None:
        if len(labels) and int(labels.max()) >= model.classes:
            raise MalformedError(f"label {labels.max()} where the model has {model.classes} classes")
        torch.set_num_threads(1)  # a phone has better uses for its cores, and one thread adds up in one order
        self._model = model
        self._inputs = torch.from_numpy(fixed_features(model, images)).float()
        self._labels = torch.from_numpy(labels.astype(np.int64))

    def delta(
        self, parameters: npt.NDArray[np.float32], learning: LearningTerms, randomness: Randomness, purpose: str
    ) -> npt.NDArray[np.float64]:
        """See :class:`client_agent.training.trainer.Trainer`."""
        mechanism, optimiser = learning.mechanism, learning.optimiser
        clip, sigma = mechanism.clip_micro / MICRO, mechanism.noise_multiplier_micro / MICRO
        rate = optimiser.learning_rate_micro / MICRO
        expected = (
            mechanism.sampling_rate_ppm / MICRO * optimiser.reference_count
        )  # public: never this household's count
        current = parameters.astype(np.float64)
        for step in range(mechanism.local_steps):
            chosen = self._sample(mechanism.sampling_rate_ppm, randomness, f"{purpose}/sample/{step}")
            point = torch.from_numpy(current.astype(np.float32))
            total = clipped_gradient_sum(self._model, point, self._inputs[chosen], self._labels[chosen], clip)
            random = randomness.draw(f"{purpose}/noise/{step}", bytes_for(len(current)))
            total += sigma * clip * standard_normal(random)[: len(current)]
            current -= rate * total / expected
        return current - parameters.astype(np.float64)

    def _sample(self, rate_ppm: int, randomness: Randomness, purpose: str) -> torch.Tensor:
        """Each example by itself with the public rate."""
        random = np.frombuffer(randomness.draw(purpose, 8 * len(self._labels)), dtype="<u8") >> np.uint64(11)
        return torch.from_numpy(np.flatnonzero(random * 2.0**-53 < rate_ppm / MICRO))
