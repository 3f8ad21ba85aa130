"""Canaries in real training, and what somebody who sees its releases can say of each.

The canary is the worst example that there can be: one pixel that no other example has, so bright that its gradient is
always at the clip. So no two canaries disturb each other, and the noise of training is all that hides them. Whoever
looks knows all data but the coins, every model, and what a phone sent: that is who the figures of privacy are against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.training.gradients import Gradients
from protocol.messages.learning import MICRO, Layer, LearningTerms, ModelSpec
from protocol.model.dataset import OWNERS, Examples, decode_labelled
from protocol.randomness import SeededRandomness
from protocol.sparse.grid import clip_of, divisor_of
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import meaning
from scripts.demonstration.data import households_of
from scripts.evaluate.attacks.training import trainers_for
from scripts.evaluate.rounds import Course, play

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PIXELS: Final = 64  # of a digit
WHITE: Final = 16.0
CLASSES: Final = 10
STRENGTH: Final = 3.0  # of a canary's pixel: its gradient is 2.8 times as long as the clip of 1
_CHUNK: Final = 100


@dataclass(frozen=True)
class Scene:
    """Digits of real households, and canaries of which each is in one of them if its coin says so.

    ``households``: with their canaries, each of which is an appliance of its own; so is each digit. ``names``: of their
    examples, alike in all of one canary, which are alike altogether.
    """

    model: ModelSpec
    households: tuple[Examples, ...]
    names: tuple[npt.NDArray[np.uint64], ...]
    canaries: tuple[Reals, npt.NDArray[np.int64]]  # inputs (m, d) and labels (m,); their names count from 0
    included: Flags


def scene(clients: int, canaries: int, seed: int, windows: int = 1) -> Scene:
    """``clients`` of the demonstration's ten households share out the canaries, of ``windows`` examples each."""
    width = PIXELS + canaries
    model = ModelSpec((width,), CLASSES, (Layer("linear", {"outputs": CLASSES, "bias": 0}),))
    every = np.arange(canaries)
    inputs, labels = np.zeros((canaries, width)), every % CLASSES
    inputs[every, PIXELS + every] = STRENGTH
    included = coins(canaries, seed)
    households, all_names = [], []
    for client, data in enumerate(households_of("digits", 10).households[:clients]):
        digits, own = decode_labelled(data)
        mine = np.repeat(np.flatnonzero(included & (every % clients == client)), windows)
        names = np.concatenate([canaries + np.arange(len(own)), mine])
        rows = np.concatenate([_wide(digits, width), inputs[mine]]).astype(np.float32)
        known = np.concatenate([own, labels[mine]]).astype(np.uint8)
        households.append(Examples({"inputs": rows, "labels": known, OWNERS: names}))
        all_names.append(names.astype(np.uint64))
    return Scene(model, tuple(households), tuple(all_names), (inputs, labels), included)


def coins(count: int, seed: int) -> Flags:
    drawn = np.frombuffer(SeededRandomness(seed.to_bytes(8, "big")).draw("coins", count), dtype=np.uint8)
    heads: Flags = drawn % 2 == 1
    return heads


def scores(staged: Scene, learning: LearningTerms, rounds: int, seed: int) -> Reals:
    """Of each canary, shape (m,), from the sums of all rounds: how far they went where it would have pulled them.

    With one household its update is the sum. Noise that is correlated over rounds is undone first: what is left of it
    is alike in all directions, so no other linear score is better (matched filter).
    """
    signals, seen = zip(*_observed(staged, learning, rounds, seed), strict=True)
    band = [value / MICRO for value in learning.mechanism.band_micro]
    found = np.zeros(len(staged.included))
    for signal, release in zip(_unmixed(signals, band), _unmixed(seen, band), strict=True):
        found += (signal * release).sum(axis=0)
    return found


def _observed(staged: Scene, learning: LearningTerms, rounds: int, seed: int) -> Iterator[tuple[Reals, Reals]]:
    """For each round, at the weights of each canary's pixel, shape (classes, m): what it would add, and what was
    added."""
    inputs, labels = staged.canaries
    gradients = Gradients(staged.model, inputs, labels)
    trainers = trainers_for(staged.model, staged.households, learning, seed, staged.names)
    course = Course(staged.model, learning, trainers, seed)
    for played in play(course, rounds):
        pulled = np.concatenate(
            [
                _at_pixels(staged, played.sent, gradients, played.before, learning, chosen)
                for chosen in np.split(np.arange(len(labels)), range(_CHUNK, len(labels), _CHUNK))
            ],
            axis=1,
        )
        separation = learning.mechanism.separation
        pulled[:, np.arange(len(labels)) % separation != played.number % separation] = 0.0  # it is not their turn
        rate = learning.optimiser.learning_rate_micro / MICRO / divisor_of(learning)
        whole = np.zeros(played.sent.dimension)
        whole[played.sent.indices] = meaning(played.sums, learning, played.sent)
        yield pulled, -whole.reshape(CLASSES, -1)[:, PIXELS:] / rate


def _at_pixels(
    staged: Scene,
    sent: IndexSet,
    gradients: Gradients,
    point: npt.NDArray[np.float32],
    learning: LearningTerms,
    chosen: npt.NDArray[np.int64],
) -> Reals:
    """Clipped gradients of some canaries, each at the weights of its own pixel, shape (classes, n)."""
    columns, _ = gradients.clipped(point.astype(np.float64), sent.indices, chosen, clip_of(learning.mechanism, sent))
    whole = np.zeros((sent.dimension, len(chosen)))
    whole[sent.indices] = columns
    at_pixels: Reals = whole.reshape(CLASSES, -1, len(chosen))[:, PIXELS + chosen, np.arange(len(chosen))]
    return at_pixels


def _unmixed(series: Sequence[Reals], band: Sequence[float]) -> Iterator[Reals]:
    """The banded matrix of the correlated mechanism times the rounds."""
    for number, value in enumerate(series):
        total = value.copy()
        for back, weight in enumerate(band[:number], start=1):
            total += weight * series[number - back]
        yield total


def _wide(digits: npt.NDArray[np.uint8], width: int) -> Reals:
    rows = np.zeros((len(digits), width))
    rows[:, :PIXELS] = digits.reshape(len(digits), PIXELS) / WHITE
    return rows
