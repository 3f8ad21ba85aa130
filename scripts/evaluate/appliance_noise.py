"""What noise would cost a crowd of households, by simulation: the real ones are far too few to be heard above it.

Every simulated household has one appliance, drawn from the real ones of a fold. With one local step its update is its
clipped gradient and its own noise, so a sum over households is one over real appliances, each as often as it was drawn,
and noise that grows with the square root of the households.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from client_agent.training.trainers import trainer_for
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.messages.task import PrivacyTerms
from protocol.model.initialization import initial_parameters
from protocol.privacy.spending import CLASSICAL, spent
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment, Trainer
from protocol.sparse.index_set import select
from scripts.evaluate.appliance_run import Fold, figures_of, fold_of, learning_of, model_of
from scripts.evaluate.evaluation import Progress

ROUNDS: Final = 80
CLIP: Final = 1.0
RATE: Final = 0.02
DECAYS: Final = 0.9, 0.99
_DELTA_EXPONENT: Final = 5


@dataclass(frozen=True)
class Crowd:
    households: int
    noise: float  # multiplier of each household's own


def simulated(crowd: Crowd, progress: Progress, seed: int = 1) -> Mapping[str, Any]:
    """The last half's mean model, and what the rounds cost one appliance by its household's own noise alone."""
    fold, model = fold_of(0), model_of((16, 16, 16), 16)
    learning = learning_of(fold, RATE, CLIP)
    generator = np.random.Generator(np.random.PCG64([seed, crowd.households, round(1000 * crowd.noise)]))
    trainers = [trainer_for(model, fold.trained.of([one]).examples()) for one in _appliances(fold)]
    times = np.bincount(generator.integers(len(trainers), size=crowd.households), minlength=len(trainers))
    parameters = initial_parameters(model)
    moments, mean = [np.zeros(len(parameters)), np.zeros(len(parameters))], np.zeros(len(parameters))
    for number in range(1, ROUNDS + 1):
        sum_ = np.zeros(len(parameters))
        for place, trainer in enumerate(trainers):
            if times[place]:
                sum_ += times[place] * _gradient(trainer, model, parameters, learning, seed, place, number)
        sum_ += generator.normal(0.0, crowd.noise * CLIP * np.sqrt(crowd.households), len(sum_))
        for place, value in enumerate((sum_ / crowd.households, np.square(sum_ / crowd.households))):
            moments[place] = DECAYS[place] * moments[place] + (1.0 - DECAYS[place]) * value
        step = moments[0] / (1.0 - DECAYS[0] ** number) / np.sqrt(moments[1] / (1.0 - DECAYS[1] ** number) + 1e-12)
        parameters = (parameters - RATE * step).astype(np.float32)
        if 2 * number > ROUNDS:
            mean += parameters
        progress.advance(number, ROUNDS)
    averaged = (mean / (ROUNDS - ROUNDS // 2)).astype(np.float32)
    return {"averaged": figures_of(fold.tested, model, averaged), "epsilon": epsilon_of(learning, crowd.noise)}


def epsilon_of(learning: LearningTerms, noise: float) -> float:
    mechanism = replace(learning.mechanism, noise_multiplier_micro=round(noise * MICRO))
    learning = replace(learning, mechanism=mechanism)
    return spent({mechanism: ROUNDS}, learning, PrivacyTerms(2**40, _DELTA_EXPONENT, CLASSICAL.name)).epsilon


def _appliances(fold: Fold) -> list[Any]:
    return [appliance for household in fold.households for appliance in household]


def _gradient(
    trainer: Trainer, model: ModelSpec, parameters: Any, learning: LearningTerms, seed: int, place: int, number: int
) -> Any:
    """The one appliance's clipped gradient: its noiseless update over minus the learning rate and the divisor."""
    source = SeededRandomness(seed.to_bytes(8, "big")).fork(f"appliance {place}")
    sent = select(ZERO_DIGEST, model, learning, number)
    delta = trainer.train(Assignment(parameters, learning, sent, source, f"round {number}")).delta
    return -delta * learning.optimiser.reference_count / (learning.optimiser.learning_rate_micro / MICRO)
