"""Pools: the mean or the largest of each window, or of each whole channel; and the errors of what they took.

Of equal numbers the first is the largest, in the order of rows. A mean is folded like every sum, and multiplied.
"""

from __future__ import annotations

import numpy as np

from protocol.messages.learning import Layer
from protocol.model.arithmetic import Reals, total
from protocol.model.window import Window, met


def pool(layer: Layer, values: Reals) -> Reals:
    """Of ``values`` (channels, height, width, n); of a global pool (channels, ..., n)."""
    if layer.kind == "global_pool":
        flat = np.moveaxis(values.reshape(len(values), -1, values.shape[-1]), 1, 0)
        kinds = [kind for kind in ("mean", "maximum") if layer.arguments[kind]]
        return np.concatenate([_mean(flat) if kind == "mean" else _largest(flat) for kind in kinds])
    there = _stacked(layer, values)
    return _mean(there) if layer.kind == "mean_pool" else _largest(there)


def pool_errors(layer: Layer, taken: Reals, errors: Reals) -> Reals:
    """Of what the pool took, from the ``errors`` of what it gave."""
    if layer.kind != "global_pool":
        found = np.zeros(taken.shape)
        shares = _shares(layer.kind == "mean_pool", _stacked(layer, taken), errors)
        for (_, _, there), share in zip(met(found, Window.of(layer)), shares, strict=True):
            there += share
        return found
    flat = np.moveaxis(taken.reshape(len(taken), -1, taken.shape[-1]), 1, 0)
    both = zip((True, False), (layer.arguments["mean"], layer.arguments["maximum"]), strict=True)
    kinds = [mean for mean, asked in both if asked]
    parts = [_shares(mean, flat, part) for mean, part in zip(kinds, np.split(errors, len(kinds)), strict=True)]
    summed = parts[0] + parts[1] if len(parts) == 2 else parts[0]
    return np.moveaxis(summed, 0, 1).reshape(taken.shape)


def _stacked(layer: Layer, values: Reals) -> Reals:
    return np.stack([there for _, _, there in met(values, Window.of(layer))])


def _mean(terms: Reals) -> Reals:
    mean: Reals = total(terms) * (1.0 / len(terms))
    return mean


def _largest(terms: Reals) -> Reals:
    best: Reals = terms[0]
    for term in terms[1:]:
        best = np.where(term > best, term, best)
    return best


def _shares(mean: bool, terms: Reals, errors: Reals) -> Reals:
    """What each of the ``terms`` gets of the errors."""
    if mean:
        alike: Reals = np.broadcast_to(errors * (1.0 / len(terms)), terms.shape)
        return alike
    largest, chosen = terms[0], np.zeros(terms.shape[1:], dtype=np.int64)
    for place, term in enumerate(terms[1:], 1):
        above = term > largest
        largest, chosen = np.where(above, term, largest), np.where(above, place, chosen)
    places = np.arange(len(terms)).reshape(-1, *[1] * chosen.ndim)
    return np.where(places == chosen, errors, 0.0)
