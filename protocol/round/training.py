"""The port behind which a household trains, and what a training leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocol.messages.task import LearningTerms
from protocol.randomness import Randomness
from protocol.sparse.index_set import IndexSet


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """One local step: what an accountant of the household's own data may ask for. As secret as the data.

    Norms are those of single examples' gradients at the sent coordinates; ``clipped`` counts those beyond the clip.
    """

    sampled: int
    clipped: int
    longest: float  # before clipping
    sum_of_squares: float  # after clipping


@dataclass(frozen=True, slots=True)
class Training:
    """``delta``: parameters after minus before at the coordinates that are sent, float64, shape (k,), noise included.
    ``evidence``: one entry for each local step; it stays on the phone."""

    delta: npt.NDArray[np.float64]
    evidence: tuple[StepEvidence, ...]


class Trainer(Protocol):
    """Private training on one household's examples."""

    def train(
        self,
        parameters: npt.NDArray[np.float32],
        learning: LearningTerms,
        sent: IndexSet,
        randomness: Randomness,
        purpose: str,
    ) -> Training:
        """With the plan's noise in every local step; no other coordinate moves. ``purpose`` names this one training and
        is never used twice with one source of randomness."""
        ...
