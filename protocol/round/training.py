"""The port behind which a household trains, and what a training leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import LearningTerms
from protocol.randomness import Randomness
from protocol.sparse.index_set import IndexSet

LENGTH_PARTS: Final = 65_535  # of the clip


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """One local step: what an accountant of the household's own data may ask for. As secret as the data.

    Norms are those of single examples' gradients at the sent coordinates; ``clipped`` counts those beyond the clip.
    """

    sampled: int
    clipped: int
    longest: float  # before clipping
    sum_of_squares: float  # after clipping


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """The same examples through all steps of one training; as secret as the data.

    ``names`` (n,) tell examples apart from one round to the next, and say nothing to who lacks the household's secret.
    ``lengths`` (steps, n): of each one's clipped gradient at the step's parameters, in parts of LENGTH_PARTS of the
    clip, rounded up.
    """

    names: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.uint16]


NOBODY: Final = Followed(np.zeros(0, dtype=np.uint64), np.zeros((0, 0), dtype=np.uint16))


@dataclass(frozen=True, slots=True)
class Training:
    """``delta``: parameters after minus before at the coordinates that are sent, float64, shape (k,), noise included.
    ``evidence``: one entry for each local step; it stays on the phone, and so do the two that follow.

    ``held_out``: examples that are never trained on, where the task holds any out and the mechanism clips single
    examples. ``trained``: those that are, where their owner gave each of them a budget of its own; in a step that one
    of them sits out its length is 0, and at least 1 in any other. NOBODY otherwise.

    ``whole``: integers of the public grid, shape (k,), that are sent as they are; None where the delta is quantised.
    """

    delta: npt.NDArray[np.float64]
    evidence: tuple[StepEvidence, ...]
    held_out: Followed = NOBODY
    trained: Followed = NOBODY
    whole: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """One training: from ``parameters``, shape (d,), by the terms ``learning``, at the coordinates ``sent`` alone.

    ``purpose`` names this one training and is never used twice with one source of ``randomness``.
    """

    parameters: npt.NDArray[np.float32]
    learning: LearningTerms
    sent: IndexSet
    randomness: Randomness
    purpose: str


class Trainer(Protocol):
    """Private training on one household's examples."""

    def train(self, assignment: Assignment) -> Training:
        """With the noise of ``learning.noise_multiplier_micro`` in every local step; no other coordinate moves."""
        ...
