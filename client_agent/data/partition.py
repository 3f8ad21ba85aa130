"""Dealing a public data set out to households, for demonstrations and experiments; every choice follows from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class TooFewError(ValueError):
    """More households than a data set can give to."""


def dirichlet_partition(labels: npt.NDArray[Any], parts: int, alpha: float, seed: int, minimum: int) -> list[Indices]:
    """Each class is shared out by proportions from Dirichlet(``alpha``): households differ in size and in kind.

    Whoever has fewer than ``minimum`` examples then gets some from the largest household. Raises TooFewError when there
    are too few for that.
    """
    if parts * minimum > len(labels):
        raise TooFewError(f"{len(labels)} examples cannot give {parts} households {minimum} each")
    generator = np.random.Generator(np.random.PCG64(seed))
    dealt: list[list[int]] = [[] for _ in range(parts)]
    for kind in np.unique(labels):
        members = generator.permutation(np.flatnonzero(labels == kind))
        cuts = (np.cumsum(generator.dirichlet(np.full(parts, alpha)))[:-1] * len(members)).astype(int)
        for part, piece in zip(dealt, np.split(members, cuts), strict=True):
            part.extend(piece.tolist())
    while len(smallest := min(dealt, key=len)) < minimum:
        largest = max(dealt, key=len)
        smallest.append(largest.pop(int(generator.integers(len(largest)))))
    return [np.sort(np.array(part, dtype=np.int64)) for part in dealt]


def equal_partition(count: int, parts: int, size: int, seed: int) -> list[Indices]:
    """``size`` different examples of ``count`` for each part, at random."""
    if parts * size > count:
        raise TooFewError(f"{count} examples cannot give {parts} households {size} each")
    order = np.random.Generator(np.random.PCG64(seed)).permutation(count)
    return [np.sort(order[part * size : (part + 1) * size]) for part in range(parts)]


def one_class_partition(labels: npt.NDArray[Any], parts: int, seed: int) -> list[Indices]:
    """Each part has examples of one class alone: part i of the i-th class, and from the start again after the last one.

    Parts of one class share its examples out evenly. Classes beyond the number of parts are in none. Raises TooFewError
    where a class has fewer examples than parts.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    kinds = np.unique(labels)
    dealt: list[Indices] = [np.zeros(0, dtype=np.int64)] * parts
    for number, kind in enumerate(kinds):
        owners = range(number, parts, len(kinds))
        members = generator.permutation(np.flatnonzero(labels == kind))
        if len(members) < len(owners):
            raise TooFewError(f"{len(members)} examples of class {kind} cannot give {len(owners)} households one each")
        for owner, piece in zip(owners, np.array_split(members, max(1, len(owners))), strict=False):
            dealt[owner] = np.sort(piece).astype(np.int64)
    return dealt
