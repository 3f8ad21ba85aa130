"""Individual accounting: each example pays for its own gradients, not for the longest that there could be.

A Renyi filter for every example (Feldman and Zrnic 2021): one whose budget does not allow the next step drops out of it
and of all later ones. Whether it does depends on itself and on what is already public, so dropping out reveals nothing
that its budget does not cover. But what it has paid is as private as its gradients: it is for the owner's eyes. Nothing
that is sent depends on it otherwise, neither the noise nor the divisor of a sum nor whether a phone takes part.
"""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.moments import Reals, Release, epsilons, left
from protocol.messages.task import MICRO
from protocol.privacy.figure import LAST_BITS, Definition, PrivacyFigure, millionths
from protocol.privacy.renyi import ORDERS

NAME: Final = "INDIVIDUAL/1"


class IndividualBudgets:
    """Of the examples of one household through one task.

    The order at which they pay is fixed before the first step: of the best of several, chosen by what happened, nothing
    is proven.
    """

    def __init__(self, budgets_micro: npt.NDArray[np.int64], delta_exponent: int, release: Release, steps: int) -> None:
        """``budgets_micro`` (n,): epsilon of each example, in millionths.

        ``steps`` of ``release`` are planned: the order is the best for an example that is always at the bound.
        """
        self._clients = len(release.weights)
        self._delta_exponent, self._log_delta = delta_exponent, -delta_exponent * log(10.0)
        lambdas = np.array(ORDERS) - 1
        costs = steps * left(release.rate, release.squared(np.array([release.bound])), lambdas)[0]
        best = int(np.argmin(epsilons(costs, lambdas, self._log_delta, Definition.CLASSICAL)))
        self._lambda = lambdas[best : best + 1]
        order = self._lambda + 1
        within = budgets_micro / MICRO * (1.0 - 10.0 * LAST_BITS)  # so that no figure is rounded up to more
        # the inverse of what turns moments into epsilon
        self._most: Reals = self._lambda * (within - np.log(self._lambda / order)) + np.log(order) + self._log_delta
        self.spent: Reals = np.zeros(len(budgets_micro))  # moments, in nats
        self.active: npt.NDArray[np.bool_] = np.ones(len(budgets_micro), dtype=np.bool_)

    def admit(self, lengths: Reals, release: Release) -> npt.NDArray[np.bool_]:
        """Charges one step and says who is in it, shape (n,).

        ``lengths`` (n,): of the gradient of every example at this step's parameters, before the clip. All pay, whether
        they are sampled or not, since the chance of it is in the price. One whose length is no number drops out.
        """
        kept = np.minimum(np.nan_to_num(lengths, nan=0.0), release.bound)
        after = self.spent + left(release.rate, release.squared(kept), self._lambda)[:, 0]
        self.active = self.active & (after <= self._most) & ~np.isnan(lengths)
        self.spent = np.where(self.active, after, self.spent)
        return self.active

    def figure(self, example: int) -> PrivacyFigure:
        """What one example has paid so far. It holds for that example alone."""
        paid = self.spent[example : example + 1]
        epsilon = epsilons(paid, self._lambda, self._log_delta, Definition.CLASSICAL)[0] if paid[0] > 0.0 else 0.0
        return PrivacyFigure(millionths(epsilon), self._delta_exponent, NAME, honest_clients=self._clients)
