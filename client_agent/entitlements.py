"""What allocations give this phone's account. Anybody may show a leaf; only the root on chain is believed."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from client_agent.edge_client import EdgeClient, EdgeRefusedError, EdgeUnavailableError
from client_agent.followed_task import FollowedTask
from protocol.identifiers import Address, Digest
from protocol.incentives.reputation import reachable
from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages.chain import Enrolled
from protocol.messages.settlement import Allocation, ProvenEntitlement
from protocol.messages.task import ReputationTerms
from protocol.task.documents import Kind
from protocol.task.past import settled_at_opening
from protocol.task.round_facts import RoundFacts, Settled

log = structlog.get_logger()


@dataclass
class Entitlements:
    """Of one account in one task. What was proven is remembered by its root."""

    client: Address
    edge: EdgeClient
    followed: FollowedTask
    _proven: dict[Digest, ProvenEntitlement] = field(default_factory=dict)

    def after(self, facts: RoundFacts) -> ProvenEntitlement | None:
        """The leaf after a settled round: from any edge server, or else from content. None when neither shows it."""
        assert isinstance(facts.ended, Settled)
        root = facts.ended.allocation_root
        if root not in self._proven:
            found = self._asked(facts.number, root) or self._read(facts.number, root)
            if found is None:
                return None
            self._proven[root] = found
        return self._proven[root]

    def reputations_for(self, number: int, terms: ReputationTerms) -> frozenset[int]:
        """Those with which the plan of round ``number`` may count this account: one, when it can be proven.

        While nobody shows the leaf after the last settled round, the plan may go by every reputation that the rounds
        since the last proven leaf, or since the enrolment, can have made. A wrong one among these gives the update
        another weight in the sum and costs its sender nothing else. The noise is in the update before it is weighed,
        so the charge stays what it is; no weight passes ``max_share_ppm``, which the key authorities hold every
        request to; rewards go by the reputation in the allocation, not by the weight. Skipping the round instead
        would let whoever withholds one document keep this phone out for ever.
        """
        enrolled = self.followed.state.enrolled.get(self.client)
        if enrolled is None:
            return frozenset()
        settled = [facts for facts in settled_at_opening(self.followed.state, number) if _lists(facts, enrolled)]
        for rounds, facts in enumerate(settled):
            proven = self.after(facts) if rounds == 0 else self._proven.get(_root(facts))
            if proven is not None:
                return reachable(proven.entitlement.reputation, terms, rounds)
        return reachable(enrolled.reputation, terms, len(settled))

    @property
    def proven(self) -> tuple[ProvenEntitlement, ...]:
        """Every leaf of this account that was seen so far, and checked against the root on chain."""
        return tuple(self._proven.values())

    def _asked(self, number: int, root: Digest) -> ProvenEntitlement | None:
        try:
            return self.edge.entitlement(self.followed.state.task, number, self.client, root)
        except (EdgeUnavailableError, EdgeRefusedError) as error:
            log.info("no edge server proves the entitlement", round=number, error=str(error))
            return None

    def _read(self, number: int, root: Digest) -> ProvenEntitlement | None:
        allocation = self.followed.read(number, Kind.RECORD, Kind.ALLOCATION).allocation(number)
        if not isinstance(allocation, Allocation) or allocation_root(allocation) != root:
            return None
        listed = any(entry.client == self.client for entry in allocation.entitlements)
        return claim_proof(allocation, self.client) if listed else None


def _lists(facts: RoundFacts, enrolled: Enrolled) -> bool:
    """Its allocation has a leaf of whoever enrolled then: before the round was opened."""
    return (enrolled.block, enrolled.log_index) < (facts.opened.block, facts.opened.log_index)


def _root(facts: RoundFacts) -> Digest:
    assert isinstance(facts.ended, Settled)
    return facts.ended.allocation_root
