"""One client's update of a round, from its examples to integers, as phones and the reference round make it.

The order of the steps is visible here and only here. Everything behind the trainer is post-processing of a release
that already carries its noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.messages.task import LearningTerms
from protocol.randomness import Randomness
from protocol.round.training import StepEvidence, Trainer
from protocol.sparse.difference import add_residual, left_over, restrict
from protocol.sparse.quantization import bound, quantise


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
    """Train (sample, clip, noise per step), add the residual, restrict to the index set, bound, quantise.

    ``parameters`` and ``residual`` have shape (d,), ``indices`` (k,). ``purpose`` is never used twice with one source
    of randomness. Raises MalformedError for a delta that is not finite.
    """
    training = trainer.train(parameters, learning, randomness, purpose)
    owed = add_residual(training.delta, residual)
    bounded = bound(restrict(owed, indices), learning.quantiser)
    values = quantise(bounded, learning.quantiser, randomness.draw(f"{purpose}/quantise", 8 * len(indices)))
    return Update(values, left_over(owed, indices, values, learning.quantiser), training.evidence)
