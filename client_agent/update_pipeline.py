"""From examples to integers. The order is visible here and only here: everything after the trainer is post-processing
of a release that already carries its noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.messages.task import LearningTerms
from protocol.randomness import Randomness
from protocol.round.training import StepEvidence, Trainer
from protocol.sparse.difference import restrict


@dataclass(frozen=True, slots=True)
class Update:
    """What is encrypted, and what stays on the phone for later rounds."""

    values: npt.NDArray[np.int64]  # one for each coordinate of the index set
    residual: npt.NDArray[np.float64]  # one for each parameter
    evidence: tuple[StepEvidence, ...]  # of the training; never sent


def prepare_update(
    trainer: Trainer,
    parameters: npt.NDArray[np.float32],
    learning: LearningTerms,
    indices: npt.NDArray[np.uint32],
    residual: npt.NDArray[np.float64],
    randomness: Randomness,
    purpose: str,
) -> Update:
    """Train (sample, clip, noise per step), add the residual, restrict to the index set, bound, quantise."""
    training = trainer.train(parameters, learning, randomness, purpose)
    values, kept = restrict(training.delta, residual, indices, learning.quantiser, randomness, purpose)
    return Update(values, kept, training.evidence)
