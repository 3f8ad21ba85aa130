"""What the committee answers to a round's key request: who of it sees the request on chain, then the partial keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.rounds.committee_client import CommitteeClient
from protocol.identifiers import Address
from protocol.messages.keys import KeyRequest, PartialKeyAnswer, PlannedKeyRequest, Sightings, SignedSighting
from protocol.messages.round import RoundPlan
from protocol.messages.task import Committee
from protocol.round.sightings import in_order


@dataclass
class KeyAnswers:
    """To one request. Sightings are kept from one ``ask`` to the next: who gave one may be away later.

    Too few of either are no error here: an authority that answered before answers again without a quorum.
    """

    committee: Committee
    plan: RoundPlan
    request: KeyRequest
    partials: Mapping[int, PartialKeyAnswer] = field(default_factory=dict)  # by position in the committee
    _seen: dict[Address, SignedSighting] = field(default_factory=dict)

    @property
    def sightings(self) -> Sightings:
        return in_order(self.committee, self._seen)

    @property
    def enough(self) -> bool:
        """For a key, and for the record of its round."""
        return len(self._seen) >= self.committee.quorum and len(self.partials) >= self.committee.threshold

    def ask(self, client: CommitteeClient) -> None:
        if len(self._seen) < len(self.committee.members):
            self._seen.update(client.sightings(self.committee, self.plan, self.request))
        shown = PlannedKeyRequest(self.plan, self.request, self.sightings)
        found = client.partial_keys(self.committee, shown)
        position = {member: j for j, member in enumerate(self.committee.members, start=1)}
        self.partials = {position[authority]: answer for authority, answer in found.items()}


def answers_to(request: KeyRequest, plan: RoundPlan, committee: Committee, known: KeyAnswers | None) -> KeyAnswers:
    """``known``, if it is of this request."""
    return known if known is not None and known.request == request else KeyAnswers(committee, plan, request)
