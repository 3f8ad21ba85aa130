"""One run with sparse updates: the product's rule, or another one for comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from client_agent.training.trainers import trainer_for
from protocol.messages.learning import (
    MICRO,
    EncodingTerms,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    QuantiserTerms,
    SparsityTerms,
)
from protocol.model.layout import always_sent
from protocol.model.specification import dimension_of
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.port import SampledGaussian
from protocol.sparse.index_set import sent_count
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.images import DataSet, Dealt, convolutions, dealt, on_gradients, resampled, with_brightness
from scripts.evaluate.rounds import Cohort, Course, LastModels, Parameters, accuracy, drawn, dropping, play
from scripts.evaluate.sparse_rules import Rule, play_rule

LOOKS = 20  # at the test set, during a run


@dataclass(frozen=True)
class Setting:
    """``rate`` of examples in a step, ``learning_rate`` of a dense step, ``noise`` of each client's, in clips; without
    any, local steps move all coordinates and the clip is of the whole update.

    ``factor``: by which the learning rate makes up for what is not sent. ``between``: whether the server's step does,
    by the number of rounds from turn to turn; else its scale is ``scale``.
    """

    dataset: DataSet
    features: bool
    rounds: int
    local_steps: int
    rate: float
    clip: float
    learning_rate: float
    noise: float
    clients: int = 10
    alpha: float | None = None
    each: int = 0  # examples of a client, drawn from all; 0: all examples are dealt out
    cohort: int = 0  # clients of a round, drawn anew; 0: all
    dropped: float = 0.0  # share of the clients, in every round
    density: float = 1.0
    factor: float = 1.0
    between: bool = False
    scale: float = 1.0
    rule: Literal["turns"] | Rule = "turns"
    bound: float = 40.0

    @property
    def model(self) -> ModelSpec:
        return on_gradients(self.dataset) if self.features else convolutions(self.dataset)

    def learning(self, reference_count: int) -> LearningTerms:
        kind, unit = ("example", "example") if self.noise else ("client", "household")  # whole updates, cut only beyond
        clip, noise = round(self.clip * MICRO), round(self.noise * MICRO)
        return LearningTerms(
            mechanism=MechanismTerms(self.local_steps, round(self.rate * MICRO), clip, noise, kind, unit),
            optimiser=OptimiserTerms(round(self.learning_rate * self.factor * MICRO), reference_count),
            sparsity=SparsityTerms(round(self.density * MICRO), round(self.between_turns() * MICRO)),
            quantiser=QuantiserTerms(bound_micro=round(self.bound * MICRO), bits=16),
            encoding=EncodingTerms(packing=2),
        )

    def between_turns(self) -> float:
        """The server's scale."""
        if not self.between:
            return self.scale
        always = len(always_sent(self.model))
        return (dimension_of(self.model) - always) / (sent_count(self.model, round(self.density * MICRO)) - always)

    def who(self, seed: int) -> Cohort:
        if self.dropped:
            return dropping(seed, self.clients, self.dropped)
        return drawn(seed, self.clients, self.cohort or self.clients)

    def epsilon(self) -> float:
        """PLD at 1e-5, of the examples of a client that is in every round; infinite without noise."""
        if not self.noise:
            return float("inf")
        step = SampledGaussian(round(self.rate * MICRO), self.noise)
        return PrivacyLoss().epsilon({step: self.rounds * self.local_steps}, 5)


def run(setting: Setting, seed: int, progress: Progress) -> Mapping[str, Any]:
    """Accuracy on the way, at the end, and of the mean of the last half's models; bytes of an update."""
    model, data = setting.model, _data(setting, seed)
    learning = setting.learning(round(np.mean([len(examples) for examples in data.clients])))
    course = Course(model, learning, [trainer_for(model, examples) for examples in data.clients], seed)
    curve, every = [], max(1, setting.rounds // LOOKS)
    last_models = LastModels(model, max(1, setting.rounds // 2))
    for number, parameters in enumerate(_models(course, setting), 1):
        last_models.add(parameters)
        if number % every == 0 or number == setting.rounds:
            curve.append([number, accuracy(model, parameters, data.test_inputs, data.test_labels)])
        progress.advance(number, setting.rounds)
    return {
        "curve": curve,
        "last": curve[-1][1],
        "averaged": accuracy(model, last_models.mean(), data.test_inputs, data.test_labels),
        "sent": sent_count(model, learning.sparsity.density_ppm),
        "parameters": dimension_of(model),
    }


def at_round(result: Mapping[str, Any], number: int) -> float:
    """Accuracy after a round. Raises KeyError for one at which nobody looked."""
    return float(dict(map(tuple, result["curve"]))[number])


def _models(course: Course, setting: Setting) -> Iterator[Parameters]:
    cohort = setting.who(course.seed)
    if setting.rule != "turns":
        yield from play_rule(course, setting.rule, setting.rounds, cohort)
    else:
        yield from (played.parameters for played in play(course, setting.rounds, cohort))


@lru_cache(maxsize=1)
def _dealt(dataset: DataSet, clients: int, seed: int, alpha: float | None, each: int) -> Dealt:
    return resampled(dataset, clients, seed, each) if each else dealt(dataset, clients, seed, alpha=alpha)


def _data(setting: Setting, seed: int) -> Dealt:
    data = _dealt(setting.dataset, setting.clients, seed, setting.alpha, setting.each)
    return data if setting.features else with_brightness(data, setting.dataset)
