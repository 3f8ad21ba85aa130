"""Membership by likelihood ratio (LiRA; Carlini, Chien, Nasr, Song, Terzis and Tramer 2022).

Many models are trained, each example in a random half of them. What a model says of an example's label is a number that
is nearly normal over models; it lies higher where the example was in the training. A model under attack is judged by
the others: each in turn is the target.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.integer]
Variant = Literal["online", "offline"]

LEAST_SPREAD: Final = 1e-6  # of models that agree


def confidences(scores: Reals, labels: Labels) -> Reals:
    """log p / (1 - p) of each label's probability p, shape (n,), from class ``scores`` (classes, n)."""
    every = np.arange(len(labels))
    others = scores.copy()
    others[labels, every] = -np.inf
    most = others.max(axis=0)
    found: Reals = scores[labels, every] - most - np.log(np.exp(others - most).sum(axis=0))
    return found


def likelihood_ratios(seen: Reals, included: Flags, target: int, variant: Variant, one_spread: bool) -> Reals:
    """Score of every example, shape (n,), for having been in the training of model ``target``.

    ``seen`` and ``included`` have shape (models, n). ``online``: log-likelihood with the example minus without it;
    ``offline``: how unlikely the number is without it, which needs no model that was trained with it. ``one_spread``:
    one standard deviation for all examples, which few models can estimate. Raises ValueError where a side has no model.
    """
    others = np.arange(len(seen)) != target
    given, inside = seen[others], included[others]
    middle_in, spread_in = _fit(given, inside, one_spread) if variant == "online" else (None, None)
    middle_out, spread_out = _fit(given, ~inside, one_spread)
    if middle_in is None or spread_in is None:
        surprise: Reals = (seen[target] - middle_out) / spread_out  # grows with the chance of less without the example
        return surprise
    return _log_density(seen[target], middle_in, spread_in) - _log_density(seen[target], middle_out, spread_out)


def _fit(values: Reals, kept: Flags, one_spread: bool) -> tuple[Reals, Reals]:
    """Median and standard deviation of each column's kept values."""
    if not kept.any(axis=0).all():
        raise ValueError("an example was in all other models, or in none")
    held = np.where(kept, values, np.nan)
    middle = np.nanmedian(held, axis=0)
    spread = np.full(len(middle), np.nanstd(held - middle)) if one_spread else np.nanstd(held, axis=0)
    return middle, np.maximum(spread, LEAST_SPREAD)


def _log_density(values: Reals, middle: Reals, spread: Reals) -> Reals:
    found: Reals = -0.5 * ((values - middle) / spread) ** 2 - np.log(spread)
    return found
