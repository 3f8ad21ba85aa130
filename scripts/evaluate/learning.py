"""What a preset reaches: training, sparse difference and step as in a task, without encryption; prints JSON.

Beside it stands what the same model reaches on the same examples in one place, without privacy.

``python -m scripts.evaluate.learning --dataset digits --seeds 5``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

import numpy as np

from client_agent.privacy.held_out import SECRET_BYTES, Coins
from client_agent.training.trainers import HouseholdTrainer
from protocol.encryption.suite import FE64
from protocol.messages.learning import MICRO, LearningTerms
from protocol.model.dataset import Examples, decode_examples, decode_labelled
from protocol.privacy.spending import spent
from protocol.randomness import SeededRandomness
from scripts.demonstration.data import households_of
from scripts.demonstration.mechanisms import MECHANISMS, encoded
from scripts.demonstration.presets import PRESETS
from scripts.demonstration.task import terms_for
from scripts.evaluate.centralised import train_together
from scripts.evaluate.rounds import Course, accuracy
from scripts.evaluate.rounds import play as rounds_of

DEFAULT_ROUNDS = {"mnist": 20}  # of others 10


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """A :class:`~client_agent.data.loader.Loader` of examples that stay as they are."""

    examples: Examples

    def load(self) -> Examples:
        return self.examples


def play(dataset: str, clients: int, rounds: int, seed: int, changed: LearningTerms | None = None) -> Iterator[float]:
    """Quality after each round; ``changed``: terms in place of the preset's. What phones hold out is not trained on."""
    model, preset, _ = terms_for(dataset, rounds)
    data, source = households_of(dataset, clients), SeededRandomness(seed.to_bytes(8, "big"))
    trainers = []
    for client, household in enumerate(map(decode_examples, data.households)):
        secret = source.draw(f"household {client}", SECRET_BYTES)
        own, most = partial(bytes, secret), len(household)
        trainers.append(HouseholdTrainer(model, Fixed(household), most, print, Coins(own), None, own))
    test_inputs, test_labels = decode_labelled(data.test_set)
    for played in rounds_of(Course(model, changed or preset, trainers, seed), rounds):
        yield accuracy(model, played.parameters, test_inputs, test_labels)


def centralised(dataset: str, clients: int, seed: int) -> float:
    """Accuracy of the same model trained on all households' examples together."""
    model, _, _ = terms_for(dataset, DEFAULT_ROUNDS.get(dataset, 10))
    data = households_of(dataset, clients)
    inputs, labels = zip(*(decode_examples(household).labelled() for household in data.households), strict=True)
    parameters = train_together(model, np.concatenate(inputs), np.concatenate(labels), seed)
    test_inputs, test_labels = decode_labelled(data.test_set)
    return accuracy(model, parameters, test_inputs, test_labels)


def _changed(terms: LearningTerms, asked: argparse.Namespace) -> LearningTerms:
    def scaled(name: str, before: int) -> int:
        value: Decimal | None = getattr(asked, name)
        return before if value is None else int(value * MICRO)

    sparsity, mechanism, optimiser = terms.sparsity, terms.mechanism, terms.optimiser
    bayesian = terms.bayesian
    if bayesian.rungs_micro and asked.noise_multiplier is not None:
        noise = scaled("noise_multiplier", 0)
        bayesian = replace(bayesian, rungs_micro=(noise,), default_rung=0, selection_epsilon_micro=0)
    return replace(
        terms,
        bayesian=bayesian,
        sparsity=replace(
            sparsity,
            density_ppm=scaled("density", sparsity.density_ppm),
            scale_micro=scaled("scale", sparsity.scale_micro),
        ),
        mechanism=replace(
            mechanism,
            clip_micro=scaled("clip", mechanism.clip_micro),
            noise_multiplier_micro=scaled("noise_multiplier", mechanism.noise_multiplier_micro),
        ),
        optimiser=replace(optimiser, learning_rate_micro=scaled("learning_rate", optimiser.learning_rate_micro)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", choices=list(PRESETS), default="digits")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--mechanism", choices=list(MECHANISMS), default="example")
    for name in ("density", "scale", "clip", "noise-multiplier", "learning-rate"):
        parser.add_argument(f"--{name}", type=Decimal, help="in place of the preset's")
    arguments = parser.parse_args()
    rounds = arguments.rounds or DEFAULT_ROUNDS.get(arguments.dataset, 10)
    model, preset, privacy = terms_for(arguments.dataset, rounds, arguments.mechanism, arguments.clients)
    learning = encoded(_changed(preset, arguments), model, FE64, PRESETS[arguments.dataset].max_examples)
    started, charge = time.monotonic(), spent({learning.mechanism: rounds}, learning, privacy)
    runs = [list(play(arguments.dataset, arguments.clients, rounds, seed, learning)) for seed in range(arguments.seeds)]
    last = [run[-1] for run in runs]
    result = {
        "dataset": arguments.dataset,
        "mechanism": arguments.mechanism,
        "clients": arguments.clients,
        "rounds": rounds,
        "epsilon": charge.epsilon,
        "privacy": [str(figure) for figure in charge.figures],
        "delta": 10.0**-privacy.delta_exponent,
        "accuracy": runs,
        "centralised": centralised(arguments.dataset, arguments.clients, seed=0),
        "last": {"minimum": min(last), "mean": sum(last) / len(last), "maximum": max(last)},
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
