"""The whole update of a household, clipped and noised as one (McMahan et al. 2018): mechanism ``client``.

Local steps have no noise and clip no example. What they come to together at the coordinates that are sent is cut to the
clip on the public grid, and gets noise once. So whatever a household holds, it moves a sum of updates by the clip at
most: it is the unit. The steps move all coordinates, for only what is sent costs privacy: a part that is learnt with
all others standing still would go too far, and the model's step makes up for the rest (ADR 53).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.privacy.clipping import clipped
from client_agent.privacy.noise import rounded_gaussian
from client_agent.training.evidence import evidence_of
from client_agent.training.plain_sums import PlainSums, plain_sum
from client_agent.training.sampling import sampled
from protocol.messages.learning import MICRO, LearningTerms
from protocol.model.layout import within_bound
from protocol.randomness import Randomness
from protocol.round.training import Training
from protocol.sparse.grid import clip_of, divisor_of, noise_of, units_of_clip
from protocol.sparse.index_set import IndexSet

Reals = npt.NDArray[np.float64]


class WholeUpdate:
    """A :class:`~protocol.round.training.Trainer`. The clip is of the update, in units of the parameters."""

    def __init__(self, gradients: PlainSums) -> None:
        self._gradients = gradients

    def train(
        self,
        parameters: npt.NDArray[np.float32],
        learning: LearningTerms,
        sent: IndexSet,
        randomness: Randomness,
        purpose: str,
    ) -> Training:
        clip, count = clip_of(learning.mechanism, sent), len(sent.indices)
        learnt = self._learnt(parameters, learning, sent, randomness, purpose)
        whole, norms = clipped(learnt, clip, units_of_clip(count))
        noise = rounded_gaussian(noise_of(learning, count), count, randomness.draw, f"{purpose}/noise")
        delta = (whole[:, 0].astype(np.int64) + noise).astype(np.float64) * (clip / units_of_clip(count))
        return Training(delta, (evidence_of(norms, clip),))

    def _learnt(
        self,
        parameters: npt.NDArray[np.float32],
        learning: LearningTerms,
        sent: IndexSet,
        randomness: Randomness,
        purpose: str,
    ) -> Reals:
        """What the local steps come to, one column, before clip and noise; not finite where a step overflowed."""
        mechanism, rate = learning.mechanism, learning.optimiser.learning_rate_micro / MICRO
        start, every = parameters.astype(np.float64), np.arange(len(parameters), dtype=np.uint32)
        current = start
        for step in range(mechanism.local_steps):
            chosen = sampled(len(self._gradients), mechanism.sampling_rate_ppm, randomness, f"{purpose}/sample/{step}")
            gradient = plain_sum(self._gradients, current, every, chosen)
            with np.errstate(over="ignore", invalid="ignore"):
                current = within_bound(current - rate * gradient / divisor_of(learning))
        moved: Reals = (current - start)[sent.indices, None]
        return moved
