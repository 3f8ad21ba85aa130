"""Clusters of sensors by how alike their days run: k-means from several starts, combined by how often two sensors meet.

METR-LA's file holds no positions; the correlations of one day stand for them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

RUNS: Final = 10
_STEPS: Final = 100

Reals = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


def consensus(day: Reals, clusters: int, seed: int) -> list[list[int]]:
    """``day``: readings (rows, sensors). Each sensor is in one of at most ``clusters``, none of which is empty."""
    spread = day.std(axis=0)
    steady = np.where(spread > 0.0, spread, 1.0)
    scaled = (day - day.mean(axis=0)) / steady
    alike = scaled.T @ scaled / len(day)
    generator = np.random.Generator(np.random.PCG64(seed))
    together = np.zeros_like(alike)
    for _ in range(RUNS):
        found = k_means(alike, clusters, generator)
        together += found[:, None] == found[None]
    final = k_means(together / RUNS, clusters, generator)
    return [np.flatnonzero(final == one).tolist() for one in np.unique(final)]


def k_means(points: Reals, clusters: int, generator: np.random.Generator) -> Numbers:
    """The cluster of each point, shape (n,); starts as k-means++ does (Arthur and Vassilvitskii 2007)."""
    centres = points[[int(generator.integers(len(points)))]]
    while len(centres) < clusters:
        nearest = _distances(points, centres).min(axis=1)
        odds = nearest / nearest.sum() if nearest.sum() > 0.0 else None
        centres = np.concatenate([centres, points[[int(generator.choice(len(points), p=odds))]]])
    found = np.full(len(points), -1)
    for _ in range(_STEPS):
        new = _distances(points, centres).argmin(axis=1)
        if (new == found).all():
            break
        found = new
        centres = np.stack(
            [points[found == one].mean(axis=0) if (found == one).any() else centres[one] for one in range(clusters)]
        )
    return found


def _distances(points: Reals, centres: Reals) -> Reals:
    """Squared, shape (points, centres)."""
    found: Reals = np.square(points[:, None] - centres[None]).sum(axis=2)
    return found
