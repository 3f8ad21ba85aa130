"""Individual accounting: each example pays for its own gradients, not for the longest that there could be.

A Renyi filter for every example (Feldman and Zrnic 2021): one whose budget does not allow the next step drops out of it
and of all later ones. Whether it does depends on itself and on what is already public, so dropping out reveals nothing
that its budget does not cover. But what it has paid is as private as its gradients: it is for the owner's eyes. Nothing
that is sent depends on it otherwise, neither the noise nor the divisor of a sum nor whether a phone takes part.
"""

from __future__ import annotations

from functools import lru_cache
from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.moments import KNOTS, Integers, Reals, Release, between_knots, epsilons, left
from protocol.messages.learning import MICRO
from protocol.privacy.figure import LAST_BITS, Definition, PrivacyFigure, millionths
from protocol.privacy.renyi import ORDERS

NAME: Final = "INDIVIDUAL/1"


class IndividualBudgets:
    """Of the examples of one household through one task.

    The order at which they pay is fixed before the first step: of the best of several, chosen by what happened, nothing
    is proven.
    """

    def __init__(self, budgets_micro: npt.NDArray[np.int64], delta_exponent: int, release: Release) -> None:
        """``budgets_micro`` (n,): epsilon of each example, in millionths; none of them follows from the data.

        The order is the one at which all of them together are in the most steps of ``release``, each at the bound.
        """
        self._clients = len(release.weights)
        self._delta_exponent, self._log_delta = delta_exponent, -delta_exponent * log(10.0)
        lambdas = np.array(ORDERS) - 1
        costs = left(release.rate, release.squared(np.array([release.bound])), lambdas)[0]
        allowed = self._moments(budgets_micro[:, None], lambdas)  # (n, orders)
        best = int(np.argmax(np.maximum(allowed, 0.0).sum(axis=0) / costs))
        self._lambda = lambdas[best : best + 1]
        self._most: Reals = self._moments(budgets_micro, self._lambda)
        self.spent: Reals = np.zeros(len(budgets_micro))  # moments, in nats
        self.active: npt.NDArray[np.bool_] = np.ones(len(budgets_micro), dtype=np.bool_)

    def _moments(self, budgets_micro: npt.NDArray[np.int64], lambdas: Integers) -> Reals:
        """What the budgets allow: the inverse of what turns moments into epsilon."""
        order = lambdas + 1
        within = budgets_micro / MICRO * (1.0 - 10.0 * LAST_BITS)  # so that no figure is rounded up to more
        allowed: Reals = lambdas * (within - np.log(lambdas / order)) + np.log(order) + self._log_delta
        return allowed

    def admit(self, lengths: Reals, release: Release) -> npt.NDArray[np.bool_]:
        """Charges one step and says who is in it, shape (n,).

        ``lengths`` (n,): of the gradient of every example at this step's parameters, before the clip. All pay, whether
        they are sampled or not, since the chance of it is in the price. One whose length is no number drops out.
        """
        kept = np.minimum(np.nan_to_num(lengths, nan=0.0), release.bound)
        after = self._after(kept, release)
        self.active = self.active & (after <= self._most) & ~np.isnan(lengths)
        self.spent = np.where(self.active, after, self.spent)
        return self.active

    def pay(self, lengths: Reals, release: Release, took_part: npt.NDArray[np.bool_]) -> None:
        """One step of an earlier admission, whatever its budgets were: ``took_part`` (n,) are the ones that it let in.
        Nobody else comes back."""
        self.active = self.active & took_part
        self.spent = np.where(self.active, self._after(lengths, release), self.spent)

    def _after(self, lengths: Reals, release: Release) -> Reals:
        """What each will have spent, from a table whose figures are upper bounds."""
        costs = _at_knots(release.rate, release.largest, int(self._lambda[0]))
        lower, upper_share = between_knots(lengths, release.bound)
        after: Reals = self.spent + costs[lower] + upper_share * (costs[lower + 1] - costs[lower])
        return after

    def figure(self, example: int) -> PrivacyFigure:
        """What one example has paid so far. It holds for that example alone."""
        paid = self.spent[example : example + 1]
        epsilon = epsilons(paid, self._lambda, self._log_delta, Definition.CLASSICAL)[0] if paid[0] > 0.0 else 0.0
        return PrivacyFigure(millionths(epsilon), self._delta_exponent, NAME, honest_clients=self._clients)


@lru_cache(maxsize=256)
def _at_knots(rate: float, largest: float, lambda_: int) -> Reals:
    """``left`` at KNOTS + 1 distances from 0 to the bound, whose square is ``largest``."""
    return left(rate, largest * np.square(np.arange(KNOTS + 1) / KNOTS), np.array([lambda_]))[:, 0]
