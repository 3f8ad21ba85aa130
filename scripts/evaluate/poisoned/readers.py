"""What somebody who reads openings makes of them: the best linear guess at an update, and at the labels behind it.

An inner product of two sketches is an exact linear measurement of one of the vectors for whoever knows the other one
and the sketch, which is public: <S v, S c> = <v, S' S c>.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocol.screening.sketch import BLOCK_ROWS, BLOCKS, Sketch
from scripts.evaluate.poisoned.softmax import Numbers, Reals


@dataclass(frozen=True, eq=False)
class Shadows:
    """What is known of clients in general: ``updates`` (s, d) of clients that the reader makes up, from data of its
    own, and ``labels`` (s, 10), the parts of the classes in them."""

    updates: Reals
    labels: Reals


def direction(sketch: Sketch, vector: Numbers) -> Reals:
    """S' S vector: what an inner product with the vector's sketch measures, shape (d,)."""
    rows = sketch.of_integers(vector).astype(np.float64).reshape(BLOCKS, BLOCK_ROWS)
    measured = np.zeros(sketch.dimension)
    for block, chosen in enumerate(sketch.places):
        measured += np.where(chosen < BLOCK_ROWS, 1.0, -1.0) * rows[block][chosen % BLOCK_ROWS]
    return measured


@dataclass(frozen=True, eq=False)
class Guess:
    updates: Reals  # shape (victims, d)
    labels: Reals  # shape (victims, 10)


def read(shadows: Shadows, directions: Reals, products: Reals, variance: float) -> Guess:
    """By the covariances of shadows. ``directions``: (m, d) of measurements; ``products``: (victims, m); ``variance``:
    of the noise in each coordinate of a measured vector. Without a measurement: the mean of all shadows."""
    middle, parts = shadows.updates.mean(axis=0), shadows.labels.mean(axis=0)
    spread, classes = shadows.updates - middle, shadows.labels - parts
    if not len(directions):
        victims = len(products)
        return Guess(np.tile(middle, (victims, 1)), np.tile(parts, (victims, 1)))
    scale = np.linalg.norm(directions, axis=1)
    unit = directions / scale[:, None]
    seen = products / scale - unit @ middle
    of_shadows = spread @ unit.T  # (s, m)
    count = len(spread) - 1
    covariance = of_shadows.T @ of_shadows / count + variance * (unit @ unit.T)
    covariance += 1e-9 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, seen.T).T @ of_shadows.T / count  # (victims, s)
    labels = np.clip(parts + weights @ classes, 0, None)
    return Guess(middle + weights @ spread, labels / labels.sum(axis=1, keepdims=True))


def recovered(guess: Reals, truth: Reals, middle: Reals) -> float:
    """Part of what distinguishes updates from their mean: 1 is all of it, 0 nothing; less than 0 is worse than the
    mean."""
    missed, there = ((truth - guess) ** 2).sum(), ((truth - middle) ** 2).sum()
    return 1 - float(missed / there)


def distance(guess: Reals, truth: Reals) -> float:
    """Total variation between label distributions, mean over victims: 0 is right, 1 is disjoint."""
    return float(np.abs(guess - truth).sum(axis=1).mean() / 2)


def hits(guess: Reals, truth: Reals) -> float:
    """How often the most frequent class is found."""
    return float((guess.argmax(axis=1) == truth.argmax(axis=1)).mean())
