"""Whole households as canaries, for the mechanism whose unit they are: each is there by a coin of its own.

One that is not there still sends the noise, as a phone does that may not use its examples. Every household sends for
itself, so whoever opens single updates has one for each coin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.datasets import load_digits
from protocol.messages.learning import Layer, LearningTerms, ModelSpec
from protocol.model.dataset import Examples
from protocol.randomness import SeededRandomness
from protocol.round.training import Assignment
from protocol.round.update import prepare_update
from protocol.sparse.quantization import meaning
from scripts.evaluate.attacks.audited_terms import without_noise
from scripts.evaluate.attacks.canaries import coins
from scripts.evaluate.attacks.training import trainers_for
from scripts.evaluate.rounds import Course, Parameters, play

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

EXAMPLES: Final = 20  # of a household
MODEL: Final = ModelSpec((1, 8, 8), 10, (Layer("flatten", {}), Layer("linear", {"outputs": 10, "bias": 0})))
CROWD: Final = 5  # households that the model is from, and that nobody looks at


def household_scores(learning: LearningTerms, households: int, rounds: int, seed: int) -> tuple[Reals, Flags]:
    """Of each household, shape (n,): how far its updates go where it would go without noise; and whether it is there.

    The models are from rounds of others, under the same terms.
    """
    included, train = coins(households, seed), load_digits()[0]
    generator = np.random.Generator(np.random.PCG64(seed))
    data = [_some(train, generator) for _ in range(households)]
    there = [one if heads else None for one, heads in zip(data, included, strict=True)]
    starts = _models(learning, [_some(train, generator) for _ in range(CROWD)], rounds, seed)
    noisy, exact = trainers_for(MODEL, there, learning, seed), trainers_for(MODEL, data, without_noise(learning), seed)
    course, found = Course(MODEL, learning, noisy, seed), np.zeros(households)
    source = SeededRandomness(seed.to_bytes(8, "big"))
    for number, start in enumerate(starts, start=1):
        sent = course.sent(number)
        for one in range(households):
            own = source.fork(f"household {one}")
            update = prepare_update(noisy[one], Assignment(start, learning, sent, own, f"round {number}"))
            quiet = Assignment(start, without_noise(learning), sent, own, f"expected {number}")
            found[one] += exact[one].train(quiet).delta @ meaning(update.values, learning, sent)
    return found, included


def _models(learning: LearningTerms, crowd: list[Examples], rounds: int, seed: int) -> list[Parameters]:
    """Before each round."""
    course = Course(MODEL, learning, trainers_for(MODEL, crowd, learning, seed), seed + 1)
    return [played.before for played in play(course, rounds)]


def _some(train: Examples, generator: np.random.Generator) -> Examples:
    return train.take(generator.permutation(len(train))[:EXAMPLES])
