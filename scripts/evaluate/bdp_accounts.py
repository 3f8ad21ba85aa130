"""Every figure of privacy of one run with one step a round: from all clients' noise together, and from one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from client_agent.privacy.bayesian import BERNSTEIN, FEW, HEADLINE, RIGHT, PaperForm, Trajectory
from client_agent.privacy.moments import Reals, Release
from protocol.messages.learning import MICRO, LearningTerms
from protocol.messages.task import PrivacyTerms
from protocol.privacy.pld import PrivacyLoss
from protocol.privacy.renyi import Renyi
from protocol.privacy.spending import spent

DELTAS: Final = (5, 10)  # exponents
COLUMNS: Final = {"headline": HEADLINE, "bernstein": BERNSTEIN, "right": RIGHT}


class Accounts:
    """Follows the held-out examples of all clients through a run.

    *Aggregated* figures are from all of them, and from the noise of all clients together, each assumed to be honest.
    *Own* ones are each client's: from its own noise alone, and from what it itself holds out.
    """

    def __init__(self, learning: LearningTerms, held: Sequence[int], rounds: int) -> None:
        """``learning``: with the mechanism ``distributed``; ``held``: of each client."""
        mechanism, clients = learning.mechanism, learning.mechanism.honest_clients
        rate, clip = mechanism.sampling_rate_ppm / MICRO, mechanism.clip_micro / MICRO
        noise = learning.noise_multiplier_micro / MICRO * clip
        self._learning, self._rounds = learning, rounds
        self._together = Release(rate, clip, noise, (1,) * clients)
        self._alone = Release(rate, clip, noise)
        self._aggregated, self._pooled = Trajectory(sum(held)), Trajectory(sum(held))
        self._own = [Trajectory(number) for number in held]
        self._paper = {"aggregated": PaperForm(rounds), "own": PaperForm(rounds)}
        self._indicative = min(held) < FEW

    def add(self, lengths: Sequence[Reals]) -> None:
        """One round: of each client's held-out examples, what each would have contributed at most."""
        every = np.concatenate(lengths)
        self._aggregated.add(every, self._together)
        self._pooled.add(every, self._alone)
        for trajectory, own in zip(self._own, lengths, strict=True):
            trajectory.add(own, self._alone)
        self._paper["aggregated"].accumulate(every, self._together)
        self._paper["own"].accumulate(every, self._alone)

    def figures(self) -> dict[str, Any]:
        """Epsilons, rounded up in the sixth place: aggregated and own, delta's exponent, accountant."""
        return {
            "indicative": self._indicative,
            "aggregated": {str(exponent): self._of_sum(exponent) for exponent in DELTAS},
            "own": {str(exponent): self._of_one(exponent) for exponent in DELTAS},
        }

    def _of_sum(self, exponent: int) -> dict[str, float]:
        bayesian = {name: self._aggregated.epsilon(column, exponent) for name, column in COLUMNS.items()}
        return bayesian | self._without_data("aggregated", exponent)

    def _of_one(self, exponent: int) -> dict[str, float]:
        """``headline`` and ``bernstein``: of the client whose figure is worst; ``pooled``: as if all held-out examples
        were one client's."""
        return {
            "headline": max(own.epsilon(HEADLINE, exponent) for own in self._own),
            "bernstein": max(own.epsilon(BERNSTEIN, exponent) for own in self._own),
            "mean": sum(own.epsilon(HEADLINE, exponent) for own in self._own) / len(self._own),
            "pooled": self._pooled.epsilon(HEADLINE, exponent),
            "pooled_bernstein": self._pooled.epsilon(BERNSTEIN, exponent),
            "right": self._pooled.epsilon(RIGHT, exponent),
        } | self._without_data("own", exponent)

    def _without_data(self, which: str, exponent: int) -> dict[str, float]:
        """The paper's form, and what holds whatever the data are: the agreement's own charges."""
        charges = {}
        for column, name in (("pld", PrivacyLoss.name), ("renyi", Renyi.name)):
            privacy = PrivacyTerms(MICRO, exponent, name)
            charge = spent({self._learning.mechanism: self._rounds}, self._learning, privacy)
            figure = charge.figure if which == "aggregated" else charge.own[0]
            charges[column] = figure.epsilon_micro / MICRO
        return charges | {"paper": self._paper[which].epsilon(10.0**-exponent)}
