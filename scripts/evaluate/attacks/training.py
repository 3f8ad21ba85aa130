"""The product's trainers for the households of an attack, each as its phone would make it for the task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from client_agent.privacy.correlated_noise import CorrelatedNoise
from client_agent.training.kinds import Ask, Material, trainer_of
from protocol.messages.learning import LearningTerms, ModelSpec
from protocol.model.dataset import Examples
from protocol.randomness import SeededRandomness
from protocol.round.training import Trainer

Names = npt.NDArray[np.uint64]


def trainers_for(
    model: ModelSpec,
    households: Sequence[Examples | None],
    learning: LearningTerms,
    seed: int,
    names: Sequence[Names] | None = None,
) -> list[Trainer]:
    """One for each household; None is one that may not use its examples. ``seed``: of noise that is kept over rounds.
    ``names``: by household, of each example, which a phone's secret would draw; their places if left out."""
    trainers = []
    for number, examples in enumerate(households):
        material = None
        if examples is not None:
            own = np.arange(len(examples), dtype=np.uint64) if names is None else names[number]
            material = Material(model, examples, own)
        secret = SeededRandomness(seed.to_bytes(8, "big")).fork(f"enrolment {number}")
        trainers.append(trainer_of(Ask(learning, material, CorrelatedNoise(secret.draw))))
    return trainers
