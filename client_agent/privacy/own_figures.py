"""What a task has cost this household's own examples, for its owner alone: nobody else sees it, nothing depends on it.

Classical and Bayesian figures come from the same steps with the same noise. The classical one holds for every example;
the Bayesian ones hold for an example that is drawn as the held-out ones were, for the path of models that was
taken, and treat the held-out lengths as public. So they are never shown without it, and it leads where too few are
held out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from client_agent.privacy.bayesian import BERNSTEIN, FEW, HEADLINE, RIGHT
from client_agent.privacy.example_budgets import ExampleBudgets
from client_agent.privacy.followed import FollowedRound, trajectory_of
from protocol.messages.learning import MICRO
from protocol.privacy.figure import PrivacyFigure, millionths
from protocol.privacy.port import SampledGaussian
from protocol.privacy.spending import CLASSICAL


@dataclass(frozen=True, slots=True)
class OwnFigures:
    """Of the rounds whose updates hold examples of this household. ``classical`` is at the delta of the others."""

    rounds: int
    steps: int
    held_out: int  # examples that were so in every round
    classical: PrivacyFigure
    bayesian: tuple[PrivacyFigure, ...]  # the one that counts, the same whatever the law, the paper's other direction
    target_micro: int  # epsilon; 0 for none
    selection_micro: int  # epsilon of the choice of the noise, which no figure here counts; 0 where there was none
    dropped_out: int = 0  # examples whose own budgets are spent
    dearest: PrivacyFigure | None = None  # what the example has paid that has paid most; with budgets alone

    @property
    def indicative(self) -> bool:
        return self.held_out < FEW

    @property
    def meets_target(self) -> bool:
        return bool(self.bayesian) and not self.indicative and self.bayesian[0].epsilon_micro <= self.target_micro

    @property
    def _verdict(self) -> str:
        return "" if self.meets_target else "not "

    def lines(self) -> Iterator[str]:
        """For the owner, one fact each."""
        yield f"for your eyes only: what {self.rounds} rounds ({self.steps} steps) cost your own examples"
        figures = [f"for every example: {self.classical}"]
        if self.bayesian:
            headline, sure, other_side = self.bayesian
            mean = [
                f"for examples like the {self.held_out} that were held out, and for no unusual one: {headline}",
                f"the same without assuming how lengths are spread: {sure}",
                f"with the paper's bound on the other direction, for comparison: {other_side}",
            ]
            figures = [*figures, *mean] if self.indicative else [*mean[:1], *figures, *mean[1:]]
        yield from figures
        if self.target_micro and not self.bayesian:
            yield f"{self.held_out} examples were held out in every round: too few for a Bayesian figure"
        elif self.target_micro:
            target = f"the task's target for such examples is epsilon {Decimal(self.target_micro) / MICRO:f}"
            verdict = "with so few nobody knows if it is met" if self.indicative else f"it is {self._verdict}met"
            yield f"{target}: {verdict}; nothing that was sent depends on it"
        if self.selection_micro:
            choice = f"choosing its noise cost epsilon {Decimal(self.selection_micro) / MICRO:f} besides"
            yield f"{choice}, for every example; what the task is charged covers both"
        if self.dearest is not None:
            yield f"{self.dropped_out} examples have spent their own budgets; most was paid by one: {self.dearest}"

    def report(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "rounds": self.rounds,
            "steps": self.steps,
            "held_out": self.held_out,
            "indicative": self.indicative,
            "meets_target": self.meets_target,
            "target_epsilon": self.target_micro / MICRO,
            "selection_epsilon": self.selection_micro / MICRO,
            "figures": [_as_json(one) for one in (self.classical, *self.bayesian)],
            "dropped_out": self.dropped_out,
            "dearest": None if self.dearest is None else _as_json(self.dearest),
        }


def own_figures(rounds: Sequence[FollowedRound], budgets: ExampleBudgets | None = None) -> OwnFigures | None:
    """Of one task; None where no round was kept. ``budgets``: where the owner gave them."""
    if not rounds:
        return None
    trajectory, exponent = trajectory_of(rounds), rounds[-1].terms.delta_exponent
    releases = Counter[SampledGaussian]()
    for one in rounds:
        releases[SampledGaussian(one.terms.sampling_rate_ppm, one.terms.noise_multiplier_micro / MICRO)] += one.steps
    found = OwnFigures(
        rounds=len(rounds),
        steps=releases.total(),
        held_out=0 if trajectory is None else trajectory.held,
        classical=PrivacyFigure(millionths(CLASSICAL.epsilon(releases, exponent)), exponent, CLASSICAL.name),
        bayesian=()
        if trajectory is None
        else tuple(trajectory.figure(column, exponent) for column in (HEADLINE, BERNSTEIN, RIGHT)),
        target_micro=rounds[-1].terms.target_micro,
        selection_micro=rounds[-1].terms.selection_micro,
    )
    return found if budgets is None else _with_budgets(found, rounds, budgets)


def _with_budgets(found: OwnFigures, rounds: Sequence[FollowedRound], budgets: ExampleBudgets) -> OwnFigures:
    names = np.unique(np.concatenate([one.trained.names for one in rounds]))
    if not len(names):
        return found
    accounts = budgets.admission(budgets.spec.learning, names).budgets
    return replace(
        found,
        dropped_out=int(np.count_nonzero(~accounts.active)),
        dearest=accounts.figure(int(np.argmax(accounts.spent))),
    )


def _as_json(figure: PrivacyFigure) -> dict[str, Any]:
    return {
        "epsilon": figure.epsilon_micro / MICRO,
        "delta_exponent": figure.delta_exponent,
        "accountant": str(figure.accountant),
        "definition": str(figure.definition),
        "indicative": bool(figure.indicative),
        "says": str(figure),
    }
