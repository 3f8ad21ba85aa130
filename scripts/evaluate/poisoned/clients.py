"""Who takes part in a run, and with which examples: honest clients of one class, alike or uneven, and attackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np

from client_agent.data.datasets import load_digits, load_mnist
from client_agent.data.partition import dirichlet_partition
from protocol.model.dataset import Examples
from scripts.demonstration.data_folder import data_folder
from scripts.evaluate.images import DataSet
from scripts.evaluate.poisoned.attackers import Lesson
from scripts.evaluate.poisoned.softmax import CLASSES, Dealt, Numbers, Pixels

Deal = Literal["classes", "alike", "uneven"]  # one class each; all the same; Dirichlet

SOURCE: Final = 1  # what a flipped label was, and what it becomes
TARGET: Final = 7
ALPHA: Final = 0.5
_LEAST: Final = 10  # examples of a client where they are uneven
_BRIGHTEST: Final = {"digits": 16.0, "mnist": 255.0}
_CORNER: Final = {"digits": 2, "mnist": 4}  # pixels a side of the trigger


@dataclass(frozen=True, eq=False)
class Images:
    """``pixels``: of training, and after them the same ones with a trigger in their corner."""

    pixels: Pixels
    labels: Numbers
    test: Pixels
    test_labels: Numbers
    triggered: Pixels  # test images of other classes than the target, with the trigger


@lru_cache(maxsize=1)
def images(dataset: DataSet) -> Images:
    train, test = load_digits() if dataset == "digits" else load_mnist(data_folder() / "mnist")
    plain, labels = _pixels(train, dataset), train.arrays["labels"].astype(np.int64)
    shown, classes = _pixels(test, dataset), test.arrays["labels"].astype(np.int64)
    both = np.concatenate([plain, _with_trigger(plain, dataset)])
    return Images(both, labels, shown, classes, _with_trigger(shown[classes != TARGET], dataset))


def honest_parts(data: Images, deal: Deal, clients: int, generator: np.random.Generator) -> list[Numbers]:
    """Places of each honest client's examples. Raises ValueError where one class each is for other than ten clients."""
    if deal == "classes":
        if clients != CLASSES:
            raise ValueError("one class each is for ten clients")
        return [np.flatnonzero(data.labels == one) for one in range(CLASSES)]
    if deal == "uneven":
        return dirichlet_partition(data.labels, clients, ALPHA, int(generator.integers(2**31)), _LEAST)
    return list(np.array_split(generator.permutation(len(data.labels)), clients))


def attacker_parts(data: Images, lesson: Lesson, own: list[Numbers]) -> tuple[list[Numbers], list[Numbers]]:
    """Places and labels of the attackers' examples. ``own``: what they would have as honest clients; whoever flips
    labels has all examples of the source class, as in the published evaluation."""
    return LESSONS[lesson](data, own)


def _honest(data: Images, own: list[Numbers]) -> tuple[list[Numbers], list[Numbers]]:
    return own, [data.labels[part] for part in own]


def _flipped(data: Images, own: list[Numbers]) -> tuple[list[Numbers], list[Numbers]]:
    source = np.flatnonzero(data.labels == SOURCE)
    return [source] * len(own), [np.full(len(source), TARGET)] * len(own)


def _shifted(data: Images, own: list[Numbers]) -> tuple[list[Numbers], list[Numbers]]:
    return own, [(data.labels[part] + 1) % CLASSES for part in own]


def _triggered(data: Images, own: list[Numbers]) -> tuple[list[Numbers], list[Numbers]]:
    """Half of the examples have the trigger and the target's label; the others are as they were."""
    halves = [(part[: len(part) // 2], part[len(part) // 2 :]) for part in own]
    places = [np.concatenate([clean, marked + len(data.labels)]) for clean, marked in halves]
    return places, [np.concatenate([data.labels[clean], np.full(len(marked), TARGET)]) for clean, marked in halves]


LESSONS: Final[Mapping[Lesson, Callable[[Images, list[Numbers]], tuple[list[Numbers], list[Numbers]]]]] = {
    "honest": _honest,
    "flipped": _flipped,
    "shifted": _shifted,
    "triggered": _triggered,
}


def dealt(data: Images, deal: Deal, honest: int, attackers: int, lesson: Lesson, seed: int) -> Dealt:
    """Honest clients first. Where all are alike or uneven, attackers would have a part like everybody's; beside clients
    of one class they have the classes in turn."""
    generator = np.random.Generator(np.random.PCG64([seed, honest, attackers]))
    if deal == "classes":
        parts = honest_parts(data, deal, honest, generator)
        parts += [parts[number % CLASSES] for number in range(attackers)]
    else:
        parts = honest_parts(data, deal, honest + attackers, generator)
    places, labels = attacker_parts(data, lesson, parts[honest:])
    good = [data.labels[part] for part in parts[:honest]]
    return Dealt([*parts[:honest], *places], [*good, *labels])


def _pixels(examples: Examples, dataset: DataSet) -> Pixels:
    """From 0 to 1, and a column of ones."""
    flat = examples.arrays["inputs"].reshape(len(examples), -1).astype(np.float32) / _BRIGHTEST[dataset]
    return np.hstack([flat, np.ones((len(flat), 1), np.float32)]).astype(np.float32)


def _with_trigger(pixels: Pixels, dataset: DataSet) -> Pixels:
    """White in the lower right corner."""
    marked = pixels.copy()
    side, corner = int((pixels.shape[1] - 1) ** 0.5), _CORNER[dataset]
    square = marked[:, :-1].reshape(-1, side, side)
    square[:, -corner:, -corner:] = 1
    marked[:, :-1] = square.reshape(len(marked), -1)
    return marked
