"""One step a round on examples whose turn it is, with noise that later rounds take back: mechanism ``correlated``.

An example is used every ``separation`` rounds at most, so an accountant can count how often it is. Which rounds are its
own follows from the household's secret and its content: nobody else decides, and nothing has to be remembered.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from client_agent.privacy.correlated_noise import CorrelatedNoise
from client_agent.training.aggregated import require_one_step
from client_agent.training.dp_sgd import Sums
from client_agent.training.evidence import evidence_of
from client_agent.training.sampling import sampled
from protocol.errors import MalformedError, Party
from protocol.round.training import Assignment, Training
from protocol.sparse.grid import clip_of, noise_of, step_of

Names = npt.NDArray[np.uint64]


class Correlated:
    """A :class:`~protocol.round.training.Trainer`. ``names``: one for each unit, drawn by the household's secret."""

    def __init__(self, gradients: Sums, names: Names, noise: CorrelatedNoise) -> None:
        self._gradients, self._names, self._noise = gradients, names, noise

    def train(self, assignment: Assignment) -> Training:
        """Raises MalformedError for terms with several local steps, or that do not send every coordinate."""
        learning, sent = assignment.learning, assignment.sent
        require_one_step(learning)
        mechanism, count = learning.mechanism, len(sent.indices)
        if count != sent.dimension:
            raise MalformedError("correlated noise needs every coordinate in every round", fault=Party.MANUFACTURER)
        clip, turn = clip_of(mechanism, sent), sent.round_number % mechanism.separation
        randomness, purpose = assignment.randomness, f"{assignment.purpose}/sample/0"
        chosen = sampled(len(self._names), mechanism.sampling_rate_ppm, randomness, purpose)
        chosen = chosen[self._names[chosen] % np.uint64(mechanism.separation) == turn]
        found = self._gradients.clipped_sum(assignment.parameters.astype(np.float64), sent.indices, chosen, clip)
        noise = self._noise.at(sent.round_number, mechanism.band_micro, noise_of(learning, count), count)
        delta = -(found.total + noise).astype(np.float64) * step_of(learning, sent)
        return Training(delta, (evidence_of(found.norms, clip),))
