"""Single feature numbers as canaries, for the mechanism that adds noise to each of them (the paper's B).

A manufacturer reads every noisy number off an update: in a model with one class for each example of a batch, and one
that nobody has, the weights of that class move by the mean of all, those of the others by that mean less their own.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.messages.learning import MICRO, Layer, LearningTerms, ModelSpec
from protocol.model.dataset import Examples
from protocol.sparse.quantization import meaning
from scripts.evaluate.attacks.canaries import coins
from scripts.evaluate.attacks.training import trainers_for
from scripts.evaluate.rounds import Course, play

Reals = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

BATCH: Final = 16  # N


def number_scores(learning: LearningTerms, numbers: int, seed: int, there: bool) -> tuple[Reals, Flags]:
    """Of each number of one example, shape (n,): what its noisy form says of its coin; and the coin.

    The coin decides whether a number is 1 or -1, which differ as the paper lets two neighbours differ. With ``there``
    it decides whether the number is 1 or 0, as in all other examples: the paper's argument forgets that the deviation
    of a position is of its batch, and tells.
    """
    heads = coins(numbers, seed)
    inputs = np.zeros((BATCH, numbers), dtype=np.float32)
    inputs[0] = np.where(heads, 1.0, 0.0 if there else -1.0)
    model = ModelSpec((numbers,), BATCH + 1, (Layer("linear", {"outputs": BATCH + 1, "bias": 0}),))
    household = Examples({"inputs": inputs, "labels": np.arange(BATCH).astype(np.uint8)})
    played = next(play(Course(model, learning, trainers_for(model, [household], learning, seed), seed), 1))
    moved = meaning(played.sums, learning, played.sent).reshape(BATCH + 1, numbers)
    noisy = (moved[0] - moved[BATCH]) * (BATCH / (learning.optimiser.learning_rate_micro / MICRO))
    return np.abs(noisy) if there else noisy, heads
