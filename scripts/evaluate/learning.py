"""What a preset reaches: training, sparse difference and step as in a task, without encryption; prints JSON.

Beside it stands what the same model reaches on the same examples in one place, without privacy.

``python -m scripts.evaluate.learning --dataset digits --seeds 5``
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np

from client_agent.training.trainers import trainer_for
from protocol.identifiers import sha256
from protocol.messages.task import MICRO, LearningTerms
from protocol.model.dataset import decode_examples, decode_labelled
from protocol.model.evaluation import count_correct
from protocol.model.initialization import initial_parameters
from protocol.model.step import apply_step
from protocol.privacy.spending import spent
from protocol.randomness import SeededRandomness
from protocol.round.update import prepare_update
from protocol.sparse.index_set import select
from scripts.demonstration.data import households_of
from scripts.demonstration.task import terms_for
from scripts.evaluate.centralised import train_together

DEFAULT_ROUNDS = {"digits": 10, "mnist": 20}


def play(dataset: str, clients: int, rounds: int, seed: int, changed: LearningTerms | None = None) -> Iterator[float]:
    """Accuracy after each round; ``changed``: terms in place of the preset's."""
    model, preset, _ = terms_for(dataset, rounds)
    learning = changed or preset
    data = households_of(dataset, clients)
    trainers = [trainer_for(model, decode_examples(household)) for household in data.households]
    test_images, test_labels = decode_labelled(data.test_set)
    parameters = initial_parameters(model)
    source = SeededRandomness(seed.to_bytes(8, "big"))
    task = sha256(source.draw("task", 32))
    for number in range(1, rounds + 1):
        sent = select(task, model, learning, number)
        sums = np.zeros(len(sent.indices), dtype=np.int64)
        for client, trainer in enumerate(trainers):
            randomness = source.fork(f"client {client}")
            sums += prepare_update(trainer, parameters, learning, sent, randomness, f"round {number}").values
        parameters = apply_step(parameters, sent, sums, clients, learning)
        yield count_correct(model, parameters, test_images, test_labels) / len(test_labels)


def centralised(dataset: str, clients: int, seed: int) -> float:
    """Accuracy of the same model trained on all households' examples together."""
    model, _, _ = terms_for(dataset, DEFAULT_ROUNDS[dataset])
    data = households_of(dataset, clients)
    inputs, labels = zip(*(decode_labelled(household) for household in data.households), strict=True)
    parameters = train_together(model, np.concatenate(inputs), np.concatenate(labels), seed)
    test_inputs, test_labels = decode_labelled(data.test_set)
    return count_correct(model, parameters, test_inputs, test_labels) / len(test_labels)


def _changed(terms: LearningTerms, asked: argparse.Namespace) -> LearningTerms:
    def scaled(name: str, before: int) -> int:
        value: Decimal | None = getattr(asked, name)
        return before if value is None else int(value * MICRO)

    sparsity, mechanism, optimiser = terms.sparsity, terms.mechanism, terms.optimiser
    return replace(
        terms,
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
    parser.add_argument("--dataset", choices=sorted(DEFAULT_ROUNDS), default="digits")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seeds", type=int, default=5)
    for name in ("density", "scale", "clip", "noise-multiplier", "learning-rate"):
        parser.add_argument(f"--{name}", type=Decimal, help="in place of the preset's")
    arguments = parser.parse_args()
    rounds = arguments.rounds or DEFAULT_ROUNDS[arguments.dataset]
    _, preset, privacy = terms_for(arguments.dataset, rounds)
    learning = _changed(preset, arguments)
    started = time.monotonic()
    runs = [list(play(arguments.dataset, arguments.clients, rounds, seed, learning)) for seed in range(arguments.seeds)]
    last = [run[-1] for run in runs]
    result = {
        "dataset": arguments.dataset,
        "clients": arguments.clients,
        "rounds": rounds,
        "epsilon": spent(learning.mechanism, privacy, rounds).epsilon,
        "delta": 10.0**-privacy.delta_exponent,
        "accuracy": runs,
        "centralised": centralised(arguments.dataset, arguments.clients, seed=0),
        "last": {"minimum": min(last), "mean": sum(last) / len(last), "maximum": max(last)},
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
