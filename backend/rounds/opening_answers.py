"""What the committee answers to a round's request for openings: who of it sees that on chain, then its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.rounds.committee_client import CommitteeClient
from protocol.identifiers import Address
from protocol.messages.keys import Sightings, SignedSighting
from protocol.messages.round import RoundPlan
from protocol.messages.screening import GramRequest, OpeningAnswer, PlannedGramRequest
from protocol.messages.task import Committee
from protocol.round.screening_answers import least_answers
from protocol.round.sightings import in_order


@dataclass
class OpeningAnswers:
    """To one request. Sightings are kept from one ``ask`` to the next, and so are answers: who gave one may be away
    later, and an authority that answers otherwise the next time has signed both."""

    committee: Committee
    plan: RoundPlan
    request: GramRequest
    _given: dict[Address, OpeningAnswer] = field(default_factory=dict)
    _seen: dict[Address, SignedSighting] = field(default_factory=dict)

    @property
    def sightings(self) -> Sightings:
        return in_order(self.committee, self._seen)

    @property
    def given(self) -> Mapping[int, OpeningAnswer]:
        """By position in the committee."""
        members = enumerate(self.committee.members, start=1)
        return {j: self._given[member] for j, member in members if member in self._given}

    @property
    def enough(self) -> bool:
        """To open something, if they agree."""
        return len(self._seen) >= self.committee.quorum and len(self._given) >= least_answers(self.committee)

    def ask(self, client: CommitteeClient) -> None:
        if len(self._seen) < len(self.committee.members):
            self._seen.update(client.screening_sightings(self.committee, self.plan, self.request))
        if len(self._seen) < self.committee.quorum:
            return  # no authority answers without
        shown = PlannedGramRequest(self.plan, self.request, self.sightings)
        self._given.update(client.openings(self.committee, shown))


def openings_to(
    request: GramRequest, plan: RoundPlan, committee: Committee, known: OpeningAnswers | None
) -> OpeningAnswers:
    """``known``, if it is of this request."""
    return known if known is not None and known.request == request else OpeningAnswers(committee, plan, request)
