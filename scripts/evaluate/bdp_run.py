"""One run of DP-SGD with one step a round, and all accounts of it from that same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from client_agent.training.dp_sgd import Named
from client_agent.training.gradients import Gradients
from client_agent.training.trainers import trainer_for
from protocol.messages.learning import (
    MICRO,
    EncodingTerms,
    LearningTerms,
    MechanismTerms,
    ModelSpec,
    OptimiserTerms,
    QuantiserTerms,
    ServerTerms,
    SparsityTerms,
)
from protocol.model.dataset import Examples
from protocol.model.specification import dimension_of
from protocol.round.training import LENGTH_PARTS, Trainer
from scripts.evaluate.bdp_accounts import Accounts
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.images import DataSet, Dealt, convolutions, dealt, on_gradients, with_brightness
from scripts.evaluate.rounds import Course, LastModels, Parameters, accuracy, play

LOOKS = 20  # at the test set, during a run


@dataclass(frozen=True)
class Setting:
    """``held``: examples that each client holds out; ``noise``: what each adds, in clips; ``stride``: clip times
    learning rate, which is how far one example could move the model if it were alone."""

    dataset: DataSet
    features: bool  # fixed ones and a linear layer; else convolutions
    clients: int
    held: int
    rounds: int
    rate: float
    clip: float
    stride: float
    noise: float
    momentum: float = 0.0  # of the server's step

    @property
    def model(self) -> ModelSpec:
        return on_gradients(self.dataset) if self.features else convolutions(self.dataset)

    def learning(self, reference_count: int) -> LearningTerms:
        """Dense; each client's noise is its share of the sum's, and its integers are sent as they are."""
        return LearningTerms(
            mechanism=MechanismTerms(
                local_steps=1,
                sampling_rate_ppm=round(self.rate * MICRO),
                clip_micro=round(self.clip * MICRO),
                noise_multiplier_micro=ceil(self.noise * MICRO),
                kind="distributed",
                honest_clients=self.clients,
            ),
            optimiser=OptimiserTerms(round(self.stride / self.clip * MICRO), reference_count),
            sparsity=SparsityTerms(MICRO, MICRO),
            quantiser=QuantiserTerms(bound_micro=MICRO, bits=30),
            encoding=EncodingTerms(packing=1),
            server=ServerTerms("momentum", momentum_micro=round(self.momentum * MICRO))
            if self.momentum
            else ServerTerms(),
        )


def run(setting: Setting, seed: int, progress: Progress) -> Mapping[str, Any]:
    """Accuracy on the way, of the last model and of the mean of the last tenth's; every figure of privacy."""
    model, data = setting.model, _data(setting, seed)
    learning = setting.learning(round(np.mean([len(examples) for examples in data.clients])))
    trainers = [_trainer(model, *own) for own in zip(data.clients, data.held, strict=True)]
    course = Course(model, learning, trainers, seed)
    accounts = Accounts(learning, [len(one) for one in data.held], setting.rounds)
    curve, every = [], max(1, setting.rounds // LOOKS)
    last_models = LastModels(model, max(1, setting.rounds // 10))
    parameters: Parameters = np.zeros(0, dtype=np.float32)
    for played in play(course, setting.rounds):
        found = [update.held_out.lengths[0] for update in played.updates.values()]
        accounts.add([lengths * (setting.clip / LENGTH_PARTS) for lengths in found])
        parameters = played.parameters
        last_models.add(parameters)
        if played.number % every == 0 or played.number == setting.rounds:
            curve.append([played.number, accuracy(model, parameters, data.test_inputs, data.test_labels)])
        progress.advance(played.number, setting.rounds)
    return {
        "curve": curve,
        "last": curve[-1][1],
        "averaged": accuracy(model, last_models.mean(), data.test_inputs, data.test_labels),
        "held": [len(one) for one in data.held],
        "trained": [len(examples) for examples in data.clients],
        "parameters": dimension_of(model),
        "privacy": accounts.figures(),
    }


def _trainer(model: ModelSpec, examples: Examples, held_out: Examples) -> Trainer:
    named = Named(np.arange(len(held_out), dtype=np.uint64), Gradients(model, *held_out.labelled()))
    return trainer_for(model, examples, named)


def _data(setting: Setting, seed: int) -> Dealt:
    data = dealt(setting.dataset, setting.clients, seed, setting.held)
    return data if setting.features else with_brightness(data, setting.dataset)
