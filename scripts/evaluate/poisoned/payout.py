"""What clients of a run earn, and what becomes of their reputations: by the product's incentives and the verdicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocol.identifiers import Address
from protocol.incentives.contribution import Progress, contribution
from protocol.incentives.reputation import Mark, eligible, marks_of, next_reputation, weight_of
from protocol.incentives.screened import contributions, who_took_part
from protocol.messages.screening import MAX_LEVEL, ScreeningVerdict
from protocol.messages.screening_terms import ScreeningTerms
from protocol.messages.settlement import LEVEL, PROBATION, Rejection, Verdict
from protocol.messages.task import ReputationTerms, RewardTerms
from scripts.evaluate.poisoned.defences import address, place
from scripts.evaluate.poisoned.softmax import Reals


class Standings:
    """Reputations of all clients of a task, each of which would send an update in every round that it is planned in."""

    def __init__(self, clients: int, terms: ReputationTerms) -> None:
        self._terms, self.maximum = terms, terms.maximum
        self.reputations = {address(number): terms.initial for number in range(clients)}
        self._levels = dict[Address, int]()

    def planned(self) -> dict[Address, int]:
        return {client: one for client, one in self.reputations.items() if eligible(one, self._terms)}

    def outcome(self, verdict: ScreeningVerdict, screening: ScreeningTerms) -> Verdict:
        """Of the round, as ``protocol.round.screening_verdict`` has it; everybody's update came."""
        reasons = {entry.client: entry.reason for entry in verdict.rejected}
        early = verdict.rounds < screening.probation
        for client in self.planned().keys() - set(verdict.accepted):
            reasons.setdefault(client, PROBATION if early and self._levels.get(client, MAX_LEVEL) else LEVEL)
        rejected = tuple(Rejection(client, reason) for client, reason in sorted(reasons.items()))
        return Verdict(verdict.label, verdict.accepted, rejected)

    def settle(self, verdict: ScreeningVerdict, screening: ScreeningTerms) -> None:
        marks = marks_of(self.outcome(verdict, screening), verdict)
        self.reputations = {
            client: next_reputation(one, self._terms, marks.get(client, Mark.NONE))
            for client, one in self.reputations.items()
        }
        if verdict.levels:
            self._levels = {entry.client: entry.level for entry in verdict.levels}


@dataclass(frozen=True)
class Paid:
    """Of a round, shape (clients,) each, in units of money. ``by_weight``: contribution as an unscreened task pays it;
    ``by_openings``: as a screened one does."""

    participation: Reals
    by_weight: Reals
    by_openings: Reals


def paid(
    verdict: ScreeningVerdict,
    standings: Standings,
    terms: ReputationTerms,
    screening: ScreeningTerms,
    progress: Progress,
    rewards: RewardTerms,
) -> Paid:
    """Before the round is settled in ``standings``. By weight, everybody who is not rejected is paid: whoever does not
    screen has no levels."""
    clients, outcome = len(standings.reputations), standings.outcome(verdict, screening)
    participation, by_weight, by_openings = (np.zeros(clients) for _ in range(3))
    out = {one.client for one in verdict.rejected}
    for client in who_took_part(outcome, verdict):
        participation[place(client)] = rewards.participation
    for client, reputation in standings.planned().items():
        if client not in out:
            weight = weight_of(reputation, terms)
            by_weight[place(client)] = contribution(weight, terms.maximum, progress, rewards)
    for client, amount in contributions(screening, verdict, outcome.accepted, progress, rewards).items():
        by_openings[place(client)] = amount
    return Paid(participation, by_weight, by_openings)
