"""Softmax regression on pixels, trained for all clients of a round at once: the setting of Fung et al. (2020).

One step of each client on a batch of its own: every example's gradient is clipped, as phones clip them, which for one
linear layer needs no gradient by itself. Real numbers of 32 bits, so an update is not the phone's bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.float32]  # shape (examples, p + 1); the last one is 1, for the bias
Reals = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
CLASSES = 10


@dataclass(frozen=True)
class Step:
    """``clip``: of one example's gradient; ``noise``: deviation of what a client adds to its sum, in clips."""

    batch: int
    clip: float
    rate: float
    noise: float

    @property
    def longest(self) -> float:
        """Length of an update whose examples all pull at the clip in one direction, before noise."""
        return self.rate * self.clip

    @property
    def deviation(self) -> float:
        """Of the noise in each coordinate of an update."""
        return self.noise * self.longest / self.batch


class Dealt:
    """Examples of all clients: ``places`` of each client's in the pixels, and the labels that it trains on."""

    def __init__(self, places: Sequence[Numbers], labels: Sequence[Numbers]) -> None:
        self.clients = len(places)
        self._places, self._labels = np.concatenate(places), np.concatenate(labels)
        self._sizes = np.array([len(own) for own in places])
        self._starts = np.cumsum(self._sizes) - self._sizes

    def batch(self, size: int, generator: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Places and labels, shape (clients, size), drawn with replacement."""
        drawn = generator.random((self.clients, size)) * self._sizes[:, None]
        chosen = self._starts[:, None] + drawn.astype(np.int64)
        return self._places[chosen], self._labels[chosen]


def updates(weights: Reals, pixels: Pixels, places: Numbers, labels: Numbers, step: Step) -> Reals:
    """Of each client, shape (clients, 10 (p + 1)): -rate times the mean of its clipped gradients.

    ``weights``: shape (10, p + 1); ``places``, ``labels``: (clients, batch).
    """
    clients, batch = places.shape
    seen = pixels[places.reshape(-1)]
    errors = probabilities(weights, seen)
    errors[np.arange(len(seen)), labels.reshape(-1)] -= 1
    lengths = np.sqrt((errors**2).sum(axis=1) * np.einsum("ij,ij->i", seen, seen))
    errors *= np.minimum(1, step.clip / np.maximum(lengths, 1e-12))[:, None]
    split = errors.reshape(clients, batch, CLASSES).transpose(0, 2, 1)
    sums = np.matmul(split, seen.reshape(clients, batch, -1))
    found: Reals = (-step.rate / batch) * sums.reshape(clients, -1).astype(np.float64)
    return found


def probabilities(weights: Reals, seen: Pixels) -> Pixels:
    """Of each class, shape (examples, 10)."""
    scores: Pixels = seen @ weights.T.astype(np.float32)
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def answers(weights: Reals, seen: Pixels) -> Numbers:
    """The class that the model gives each example."""
    found: Numbers = (seen @ weights.T.astype(np.float32)).argmax(axis=1)
    return found


def whole(values: Reals, unit: float, generator: np.random.Generator) -> Numbers:
    """In units, rounded up or down at random, so that the mean is kept."""
    return np.floor(values / unit + generator.random(values.shape)).astype(np.int64)
