"""One step whose integers are sent as they are: mechanism ``distributed`` (Kairouz, Liu and Steinke 2021).

Sum of clipped gradients and rounded Gaussian noise are whole numbers of the public grid, and no client's number is
cut, rounded or scaled by anything of its own. So in a sum of updates the noise of all who are in it adds up, and a
figure may count that of an assumed number of them. A model's bound is for the server's step, after the sum.
"""

from __future__ import annotations

import numpy as np

from client_agent.privacy.noise import rounded_gaussian
from client_agent.training.dp_sgd import NONE_HELD_OUT, Admission, Named, Sums, charge, lengths_of
from client_agent.training.evidence import evidence_of
from client_agent.training.sampling import sampled
from protocol.errors import MalformedError, Party
from protocol.messages.learning import LearningTerms
from protocol.round.training import NOBODY, Assignment, Followed, Training
from protocol.sparse.grid import clip_of, noise_of, step_of


class Aggregated:
    """A :class:`~protocol.round.training.Trainer` that gives the integers themselves, negative as a step is.

    ``held_out`` and ``admission``: as of :class:`~client_agent.training.dp_sgd.DpSgd`.
    """

    def __init__(self, gradients: Sums, held_out: Named = NONE_HELD_OUT, admission: Admission | None = None) -> None:
        self._gradients, self._held_out, self._admission = gradients, held_out, admission

    def train(self, assignment: Assignment) -> Training:
        """Raises MalformedError for terms with several local steps: the later ones would not be linear in the first."""
        learning, sent, randomness = assignment.learning, assignment.sent, assignment.randomness
        require_one_step(learning)
        point, count = assignment.parameters.astype(np.float64), len(sent.indices)
        rate, clip = learning.mechanism.sampling_rate_ppm, clip_of(learning.mechanism, sent)
        chosen = sampled(len(self._gradients), rate, randomness, f"{assignment.purpose}/sample/0")
        held_out = Followed(self._held_out.names, lengths_of(self._held_out.gradients, point, sent, clip)[None])
        trained = NOBODY
        if self._admission is not None:
            charged = charge(self._admission, lengths_of(self._gradients, point, sent, clip))
            trained = Followed(self._admission.names, charged[None])
            chosen = chosen[charged[chosen] > 0]
        found = self._gradients.clipped_sum(point, sent.indices, chosen, clip)
        noise = rounded_gaussian(noise_of(learning, count), count, randomness.draw, f"{assignment.purpose}/noise/0")
        whole, evidence = -(found.total + noise), (evidence_of(found.norms, clip),)
        return Training(whole.astype(np.float64) * step_of(learning, sent), evidence, held_out, trained, whole)


def require_one_step(learning: LearningTerms) -> None:
    """Raises MalformedError for several local steps in a round."""
    steps = learning.mechanism.local_steps
    if steps != 1:
        raise MalformedError(f"{steps} local steps where the mechanism has one", fault=Party.MANUFACTURER)
