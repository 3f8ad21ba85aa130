"""The published defences on updates that everybody sees, in floating point: what screening is compared with.

They judge no round. Blanchard, El Mhamdi, Guerraoui, Stainer (NeurIPS 2017); Fung, Yoon, Beschastnikh (RAID 2020).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from protocol.errors import HearthError

Reals = npt.NDArray[np.float64]


def published_krum_scores(updates: Reals, byzantine: int) -> Reals:
    """Sum of squared distances to the n - f - 2 closest others. ``updates``: shape (n, d). Raises HearthError
    ``E_PARAMS`` unless 2 f + 2 < n."""
    n = len(updates)
    if byzantine < 0 or 2 * byzantine + 2 >= n:
        raise HearthError(f"Krum takes more than {2 * byzantine + 2} updates, not {n}", code="E_PARAMS")
    products = updates @ updates.T  # not differences: those would be n^2 d numbers at once
    squares = products.diagonal()
    distances = squares[:, None] + squares[None, :] - 2 * products
    others = distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    scores: Reals = np.sort(others, axis=1)[:, : n - byzantine - 2].sum(axis=1)
    return scores


def published_multi_krum(updates: Reals, byzantine: int, kept: int) -> Reals:
    """Mean of the ``kept`` updates of smallest score, 1 to n - f - 2 of them; the first of equal ones. One is Krum."""
    scores = published_krum_scores(updates, byzantine)
    if not 1 <= kept <= len(updates) - byzantine - 2:
        raise HearthError(f"Multi-Krum does not keep {kept} of {len(updates)}", code="E_PARAMS")
    mean: Reals = updates[np.argsort(scores, kind="stable")[:kept]].mean(axis=0)
    return mean


def krum_resilience(n: int, byzantine: int) -> float:
    """eta(n, f): Krum withstands f Byzantine updates where eta sqrt(d) sigma is below the gradient's length."""
    f = byzantine
    return sqrt(2 * (n - f + (f * (n - f - 2) + f**2 * (n - f - 1)) / (n - 2 * f - 2)))


def published_foolsgold(histories: Reals, kappa: float = 1.0) -> Reals:
    """Weights in [0, 1] from the sums of all updates, shape (n, d), with the constants of the authors' numpy code."""
    lengths = np.linalg.norm(histories, axis=1)
    unit = histories / np.where(lengths > 0, lengths, 1.0)[:, None]
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0.0)
    nearest = cosines.max(axis=1) + 1e-5
    ratio = nearest[:, None] / nearest[None, :]
    cosines = np.where(ratio < 1, cosines * ratio, cosines)
    kept = np.clip(1 - cosines.max(axis=1), 0.0, 1.0)
    largest = kept.max()
    if largest == 0:
        return np.zeros(len(kept))
    kept = kept / largest
    kept[kept == 1] = 0.99
    weights: Reals = np.clip(kappa * (np.log(kept / (1 - kept) + 1e-5) + 0.5), 0.0, 1.0)
    return weights
