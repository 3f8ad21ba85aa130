"""One client's update of a round, from its examples to integers, as phones and the reference round make it.

The order of the steps is visible here and only here. Everything behind the trainer is post-processing of a release
that already carries its noise, and nothing of it is kept for a later round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from protocol.messages.task import LearningTerms
from protocol.randomness import Randomness
from protocol.round.training import StepEvidence, Trainer
from protocol.sparse.index_set import IndexSet
from protocol.sparse.quantization import bound, quantise


@dataclass(frozen=True, slots=True)
class Update:
    """What is encrypted, and what never leaves the phone."""

    values: npt.NDArray[np.int64]  # one for each coordinate of the index set
    evidence: tuple[StepEvidence, ...]  # of the training


def prepare_update(
    trainer: Trainer,
    parameters: npt.NDArray[np.float32],
    learning: LearningTerms,
    sent: IndexSet,
    randomness: Randomness,
    purpose: str,
) -> Update:
    """Train on the coordinates that are sent (sample, clip, noise per step), bound, quantise.

    ``parameters`` have shape (d,). ``purpose`` is never used twice with one source of randomness. Raises MalformedError
    for a delta that is not finite.
    """
    training = trainer.train(parameters, learning, sent, randomness, purpose)
    random = randomness.draw(f"{purpose}/quantise", 8 * len(sent.indices))
    return Update(quantise(bound(training.delta, learning.quantiser), learning.quantiser, random), training.evidence)
