"""A disclosure in the terms of a page: what needs words of its own, picked out; every field stays there, too."""

from __future__ import annotations

from dataclasses import dataclass

from client_agent.consent import Disclosure
from client_agent.web.observer import Odds, Strength, odds, strength
from protocol.messages.charge import Charge
from protocol.messages.learning import MICRO
from protocol.privacy.figure import PrivacyFigure
from protocol.privacy.mechanisms import has_guarantee, unit_of


@dataclass(frozen=True, slots=True)
class ConsentView:
    """``whole``: charge of all rounds, None for a task that adds no noise. ``figure``: None without a guarantee."""

    told: Disclosure
    whole: Charge | None
    so_far: Charge | None
    next_round: Charge | None
    figure: PrivacyFigure | None
    strength: Strength
    even: Odds  # of an observer who knew nothing
    unlikely: Odds  # of one who thought it unlikely
    unit: str
    spent_micro: int  # epsilon of all tasks together, before this one and after all of it
    after_micro: int

    @property
    def most_reward(self) -> int:
        """Of all rounds, if every update is accepted and every model gets much better."""
        return self.told.rounds * (self.told.rewards.participation + self.told.rewards.contribution)

    @property
    def sure_reward(self) -> int:
        return self.told.rounds * self.told.rewards.participation

    @property
    def drawn(self) -> bool:
        return self.told.max_cohort < self.told.max_clients

    @property
    def rungs_differ(self) -> bool:
        return bool(set(self.told.bayesian.rungs_micro) - {self.told.mechanism.noise_multiplier_micro})

    @property
    def rungs(self) -> list[str]:
        return [f"{rung / MICRO:.10g}" for rung in self.told.bayesian.rungs_micro]

    @property
    def band(self) -> list[str]:
        return [f"{number / MICRO:.10g}" for number in self.told.mechanism.band_micro]

    @property
    def exceeds_budget(self) -> bool:
        return self.whole is not None and self.whole.epsilon_micro > self.told.budget_micro


def consent_view(told: Disclosure) -> ConsentView:
    so_far, next_round, whole = told.charges or (None, None, None)
    guaranteed = whole is not None and has_guarantee(told.mechanism)
    figure = whole.figure if whole is not None and guaranteed else None
    return ConsentView(
        told=told,
        whole=whole,
        so_far=so_far,
        next_round=next_round,
        figure=figure,
        strength=strength(figure),
        even=odds(figure, 0.5),
        unlikely=odds(figure, 0.01),
        unit=unit_of(told.mechanism),
        spent_micro=told.data_set_figure.epsilon_micro,
        after_micro=told.data_set_after.epsilon_micro,
    )
