"""A budget for every example of a household, where its owner gave them one: who has spent it sits the rest out.

What each has spent follows from what was kept of the rounds before. Nothing that is sent shows whether a household does
this: noise and divisors stay what they are, and a phone whose examples have all dropped out goes on sending noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from client_agent.privacy.followed import FollowedRound, places_of
from client_agent.privacy.individual import IndividualBudgets
from client_agent.privacy.moments import Release
from protocol.errors import PolicyError
from protocol.messages.learning import MICRO, LearningTerms
from protocol.messages.task import TaskSpec
from protocol.privacy.figure import Unit
from protocol.round.training import LENGTH_PARTS

KINDS: Final = ("example", "distributed")  # whose steps clip single examples and ask who may be in them
Names = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Admitted:
    """An :class:`~client_agent.training.dp_sgd.Admission` to the steps of one training."""

    names: Names
    budgets: IndividualBudgets
    release: Release

    def admit(self, lengths: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
        return self.budgets.admit(lengths / LENGTH_PARTS, self.release)


@dataclass(frozen=True, slots=True)
class ExampleBudgets:
    """Of one task. ``epsilon_micro``: of each example, at the task's delta. ``rounds``: what is kept of those before.

    It may be raised or lowered between two rounds; an example that has dropped out does not come back. Raises
    PolicyError for a task in which no step clips single examples and hides them with noise.
    """

    epsilon_micro: int
    spec: TaskSpec
    rounds: Callable[[], Sequence[FollowedRound]]

    def __post_init__(self) -> None:
        mechanism = self.spec.learning.mechanism
        counted = mechanism.kind in KINDS and mechanism.unit == Unit.EXAMPLE and mechanism.noise_multiplier_micro
        if not counted:
            asked = f"{mechanism.kind} of unit {mechanism.unit}, noise {mechanism.noise_multiplier_micro / MICRO:g}"
            raise PolicyError("--example-budget", "the mechanism", asked, "noise on sums of single clipped examples")

    def admission(self, learning: LearningTerms, names: Names) -> Admitted:
        """To the next training."""
        most = np.full(len(names), self.epsilon_micro)
        budgets = IndividualBudgets(most, self.spec.privacy.delta_exponent, _release(self.spec.learning))
        for before in self.rounds():
            _pay(budgets, names, before)
        return Admitted(names, budgets, _release(learning))


def _release(learning: LearningTerms) -> Release:
    """Of one step, in clips."""
    return Release(learning.mechanism.sampling_rate_ppm / MICRO, 1.0, learning.noise_multiplier_micro / MICRO)


def _pay(budgets: IndividualBudgets, names: Names, before: FollowedRound) -> None:
    """An example whose lengths were not kept may have been in every step, with as much as there could be."""
    places = places_of(names, before.trained.names)
    for step in range(before.steps):
        parts = np.full(len(names), LENGTH_PARTS)
        if len(before.trained.names):
            parts = np.where(places < 0, parts, before.trained.lengths[step, places])
        budgets.pay(parts / LENGTH_PARTS, before.release, parts > 0)
