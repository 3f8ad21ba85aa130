"""One client's update of a round, from its examples to integers, as phones and the reference round make it.

The order of the steps is visible here and only here. Everything behind the trainer is post-processing of a release
that already carries its noise, and nothing of it is kept for a later round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.round.training import NOBODY, Assignment, Followed, StepEvidence, Trainer
from protocol.sparse.quantization import bound, fitting, quantise


@dataclass(frozen=True, slots=True)
class Update:
    """What is encrypted, and what never leaves the phone."""

    values: npt.NDArray[np.int64]  # one for each coordinate of the index set
    evidence: tuple[StepEvidence, ...]  # of the training
    held_out: Followed = NOBODY
    trained: Followed = NOBODY


def prepare_update(trainer: Trainer, assignment: Assignment) -> Update:
    """Train on the coordinates that are sent (sample, clip, noise per step), bound, quantise.

    Integers of the public grid are sent as they are: nothing that depends on them cuts or rounds them. Raises
    MalformedError for a delta that is not finite, and for integers that the terms have too few bits for.
    """
    quantiser = assignment.learning.quantiser
    training = trainer.train(assignment)
    if training.whole is not None:
        values = fitting(training.whole, quantiser)
    else:
        drawn = 8 * len(assignment.sent.indices)
        random = assignment.randomness.draw(f"{assignment.purpose}/quantise", drawn)
        values = quantise(bound(training.delta, quantiser), quantiser, random)
    return Update(values, training.evidence, training.held_out, training.trained)
