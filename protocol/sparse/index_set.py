"""The coordinates that a whole cohort sends in a round, from the task's digest and the round's number alone.

The model's small parts are always sent. All other coordinates take turns, in an order that the digest shuffles: each
round goes on where the last one ended, and begins anew after the end. Nobody chooses, and nothing about data shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.identifiers import Digest, sha256
from protocol.messages.learning import MICRO, LearningTerms, ModelSpec
from protocol.model.layout import always_sent
from protocol.model.specification import dimension_of
from protocol.streams import ctr_stream

Indices = npt.NDArray[np.uint32]
_PURPOSE = b"hearth/turns/1"


@dataclass(frozen=True, slots=True)
class IndexSet:
    """``indices``: ascending, shape (k,); ``turns``: which of them are not always sent; ``dimension``: of the model;
    ``round_number``: whose they are, from 1."""

    indices: Indices
    turns: npt.NDArray[np.bool_]
    dimension: int
    round_number: int = 1

    @property
    def share(self) -> float:
        """Of the model that is sent."""
        return len(self.indices) / self.dimension


def everything(dimension: int, round_number: int = 1) -> IndexSet:
    """All coordinates of a model, each of which takes its turn."""
    return IndexSet(np.arange(dimension, dtype=np.uint32), np.ones(dimension, dtype=np.bool_), dimension, round_number)


def sent_count(model: ModelSpec, density_ppm: int) -> int:
    """The size of every index set of a task; at least one coordinate has its turn where there is one."""
    dimension, always = dimension_of(model), len(always_sent(model))
    return max(-(-dimension * density_ppm // MICRO), min(always + 1, dimension))


def select(task: Digest, model: ModelSpec, learning: LearningTerms, round_number: int) -> IndexSet:
    """``task``: digest of the spec. Rounds count from 1."""
    dimension, always = dimension_of(model), always_sent(model)
    count = sent_count(model, learning.sparsity.density_ppm) - len(always)
    others = np.setdiff1d(np.arange(dimension, dtype=np.uint32), always, assume_unique=True)
    order = np.argsort(np.frombuffer(ctr_stream(sha256(_PURPOSE + task), 8 * len(others)), dtype="<u8"), kind="stable")
    places = ((round_number - 1) * count + np.arange(count)) % max(1, len(others))
    chosen = np.zeros(dimension, dtype=bool)
    chosen[others[order[places]]] = True
    turns = chosen.copy()
    chosen[always] = True
    indices = np.flatnonzero(chosen).astype(np.uint32)
    return IndexSet(indices, turns[indices], dimension, round_number)
