"""Membership in whole tasks: many of them on random halves of the same digits, each the target of the others.

Whoever attacks has the published model alone, and asks it for an example and for that example moved by a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.data.datasets import load_digits
from client_agent.data.partition import equal_partition
from protocol.messages.learning import LearningTerms, ModelSpec
from protocol.model.dataset import Array, Examples
from protocol.model.evaluation import fixed_features
from protocol.model.layers import activations
from protocol.model.layout import Layout
from scripts.evaluate.attacks.membership import Variant, confidences, likelihood_ratios
from scripts.evaluate.attacks.roc import Curve
from scripts.evaluate.attacks.training import trainers_for
from scripts.evaluate.evaluation import Progress
from scripts.evaluate.rounds import Course, Parameters, accuracy, play

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MOVES: Final = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))  # rows, columns
LEAST: Final = 4
LOW: Final = 0.001  # rate of false positives at which true ones count


@dataclass(frozen=True)
class Effort:
    """``households`` share out ``examples`` digits, of which every model is trained on half."""

    models: int
    rounds: int
    households: int
    examples: int


@dataclass(frozen=True)
class Shadows:
    """What every model says of every example, ``seen`` (models, n); whom it was trained on; and how good it is."""

    seen: Reals
    included: Flags
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class Found:
    area: float
    balanced_accuracy: float
    true_at_low: float  # at LOW false positives


def shadows(model: ModelSpec, learning: LearningTerms, effort: Effort, seed: int, progress: Progress) -> Shadows:
    """One model after the other, each from a whole task."""
    train, test = load_digits()
    chosen = np.random.Generator(np.random.PCG64(seed)).permutation(len(train))[: effort.examples]
    images, labels = train.take(chosen).labelled()
    shares = equal_partition(effort.examples, effort.households, effort.examples // effort.households, seed)
    included = _coins(effort.models, effort.examples, seed)
    seen, accuracies = np.zeros((effort.models, effort.examples)), []
    moved = [fixed_features(model, np.roll(images, move, axis=(2, 3))) for move in MOVES]
    for number in range(effort.models):
        mine = [share[included[number, share]] for share in shares]
        households = [
            Examples({"inputs": images[part], "labels": labels[part]}) if len(part) else None for part in mine
        ]
        trainers = trainers_for(model, households, learning, seed + number)
        *_, last = play(Course(model, learning, trainers, seed * 1_000 + number), effort.rounds)
        asked = (_scores(model, last.parameters, inputs) for inputs in moved)
        seen[number] = np.mean([confidences(scores, labels) for scores in asked], axis=0)
        accuracies.append(accuracy(model, last.parameters, *test.labelled()))
        progress.advance(number + 1, effort.models)
    return Shadows(seen, included, tuple(accuracies))


def attack(made: Shadows) -> dict[str, Found]:
    """By variant; all scores of all targets together. ``threshold``: one for all examples, as if nobody had models."""
    members = made.included.reshape(-1)
    found = {"threshold": _found(made.seen.reshape(-1), members)}
    for name, variant, one_spread in _VARIANTS:
        scores = [likelihood_ratios(made.seen, made.included, k, variant, one_spread) for k in range(len(made.seen))]
        found[name] = _found(np.concatenate(scores), members)
    return found


def _found(scores: Reals, members: Flags) -> Found:
    curve = Curve.of(scores, members)
    return Found(curve.area, curve.balanced_accuracy, curve.true_at(LOW))


def _scores(model: ModelSpec, parameters: Parameters, features: Array) -> Reals:
    tensors = Layout.of(model).tensors(parameters.astype(np.float64))
    *_, scores = activations(model, tensors, np.moveaxis(features, 0, -1))
    return scores


def _coins(models: int, examples: int, seed: int) -> Flags:
    """A coin for each example and model, shape (models, examples), but LEAST models on each side for every example.

    Were each example in exactly half of them, the others would tell whether the target is one.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 1]))
    heads: Flags = generator.integers(0, 2, (models, examples)) == 1
    while len(uneven := np.flatnonzero(np.minimum(heads.sum(axis=0), models - heads.sum(axis=0)) < LEAST)):
        heads[:, uneven] = generator.integers(0, 2, (models, len(uneven))) == 1
    return heads


_VARIANTS: Final[tuple[tuple[str, Variant, bool], ...]] = (
    ("online", "online", False),
    ("online, one spread", "online", True),
    ("offline", "offline", False),
    ("offline, one spread", "offline", True),
)
