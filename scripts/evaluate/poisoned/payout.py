"""What clients of a run earn, and what becomes of their reputations: by the product's incentives and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from protocol.identifiers import Address
from protocol.incentives.contribution import Progress, contribution
from protocol.incentives.reputation import Mark, eligible, next_reputation, weight_of
from protocol.messages.screening import GRAM, HISTORY, NORM, ScreeningVerdict
from protocol.messages.task import ReputationTerms, RewardTerms
from protocol.screening.norms import PPM
from scripts.evaluate.poisoned.defences import address, place
from scripts.evaluate.poisoned.softmax import Reals

CHECKED: Final = frozenset({NORM, GRAM, HISTORY})  # what no honest update is; a rule, honest data can break, too


class Standings:
    """Reputations of all clients of a task, each of which would send an update in every round that it is planned in."""

    def __init__(self, clients: int, terms: ReputationTerms) -> None:
        self._terms, self.maximum = terms, terms.maximum
        self.reputations = {address(number): terms.initial for number in range(clients)}

    def planned(self) -> dict[Address, int]:
        return {client: one for client, one in self.reputations.items() if eligible(one, self._terms)}

    def settle(self, verdict: ScreeningVerdict) -> None:
        came = self.planned().keys()
        marks = dict.fromkeys(came - {one.client for one in verdict.rejected} - set(verdict.idle), Mark.GOOD)
        marks |= {one.client: Mark.BAD for one in verdict.rejected if one.reason in CHECKED}
        self.reputations = {
            client: next_reputation(one, self._terms, marks.get(client, Mark.NONE))
            for client, one in self.reputations.items()
        }


@dataclass(frozen=True)
class Paid:
    """Of a round, shape (clients,) each, in units of money. ``by_weight``: contribution as an unscreened task pays it;
    ``by_openings``: as a screened one does."""

    participation: Reals
    by_weight: Reals
    by_openings: Reals


def paid(
    verdict: ScreeningVerdict, standings: Standings, terms: ReputationTerms, progress: Progress, rewards: RewardTerms
) -> Paid:
    """Before the round is settled in ``standings``. Participation is of everybody who came and is not rejected."""
    clients = len(standings.reputations)
    participation, by_weight, by_openings = (np.zeros(clients) for _ in range(3))
    out = {one.client for one in verdict.rejected}
    released = dict[Address, int]()
    for client, reputation in standings.planned().items():
        if client not in out:
            participation[place(client)] = rewards.participation
            released[client] = contribution(weight_of(reputation, terms), terms.maximum, progress, rewards)
            by_weight[place(client)] = released[client]
    for client, amount in by_shares(verdict, released, rewards.contribution).items():
        by_openings[place(client)] = amount
    return Paid(participation, by_weight, by_openings)


def by_shares(verdict: ScreeningVerdict, released: Mapping[Address, int], most: int) -> dict[Address, int]:
    """What the accepted clients would be paid by their weights together, in proportion to what openings say that each
    contributed, and ``most`` for each at most: by how histories align where that is known of anybody, else by the
    round's own sum."""
    aligned = any(share.aligned_ppm for share in verdict.shares)
    pool = sum(released.get(share.client, 0) for share in verdict.shares)
    parts = {share.client: share.aligned_ppm if aligned else share.projected_ppm for share in verdict.shares}
    return {client: min(most, pool * part // PPM) for client, part in parts.items()}
