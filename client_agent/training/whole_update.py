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
from protocol.messages.learning import MICRO
from protocol.model.layout import within_bound
from protocol.round.training import Assignment, Training
from protocol.sparse.grid import clip_of, divisor_of, noise_of, units_of_clip

Reals = npt.NDArray[np.float64]


class WholeUpdate:
    """A :class:`~protocol.round.training.Trainer`. The clip is of the update, in units of the parameters."""

    def __init__(self, gradients: PlainSums) -> None:
        self._gradients = gradients

    def train(self, assignment: Assignment) -> Training:
        learning, sent = assignment.learning, assignment.sent
        clip, count = clip_of(learning.mechanism, sent), len(sent.indices)
        learnt = self._learnt(assignment)
        whole, norms = clipped(learnt, clip, units_of_clip(count))
        std, draw = noise_of(learning, count), assignment.randomness.draw
        noise = rounded_gaussian(std, count, draw, f"{assignment.purpose}/noise")
        delta = (whole[:, 0].astype(np.int64) + noise).astype(np.float64) * (clip / units_of_clip(count))
        return Training(delta, (evidence_of(norms, clip),))

    def _learnt(self, assignment: Assignment) -> Reals:
        """What the local steps come to, one column, before clip and noise; not finite where a step overflowed."""
        learning, randomness = assignment.learning, assignment.randomness
        mechanism, rate = learning.mechanism, learning.optimiser.learning_rate_micro / MICRO
        start = assignment.parameters.astype(np.float64)
        every = np.arange(len(start), dtype=np.uint32)
        current = start
        for step in range(mechanism.local_steps):
            purpose = f"{assignment.purpose}/sample/{step}"
            chosen = sampled(len(self._gradients), mechanism.sampling_rate_ppm, randomness, purpose)
            gradient = plain_sum(self._gradients, current, every, chosen)
            with np.errstate(over="ignore", invalid="ignore"):
                current = within_bound(current - rate * gradient / divisor_of(learning))
        moved: Reals = (current - start)[assignment.sent.indices, None]
        return moved
