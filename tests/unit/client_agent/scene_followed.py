"""A phone that follows a played chain, whose edge server put its documents into content before it died."""

from __future__ import annotations

from typing import Any, cast

from client_agent.edge_client import EdgeClient, EdgeUnavailableError
from client_agent.entitlements import Entitlements
from client_agent.followed_task import FollowedTask
from protocol.canonical import encode
from protocol.identifiers import ZERO_DIGEST
from protocol.incentives.rewards import allocation_root
from protocol.messages.chain import (
    KeyRequested,
    RoundOpened,
    RoundPublished,
    TaskPosted,
)
from protocol.messages.settlement import PUBLISHED, Allocation, Entitlement, ProvenEntitlement, RoundRecord, Verdict
from protocol.privacy.spending import spent
from protocol.round.planning import terms_of
from protocol.task.documents import Kind
from storage.content.memory import MemoryStore
from storage.ledger.interface import LedgerReader
from tests.samples import client_address, sample_spec
from tests.unit.client_agent.scene_chain import PlayedChain

ME, OTHER = client_address(0), client_address(1)
CONFIRMATIONS = 2
ENROLLED_WITH = 2
SPEC = sample_spec(confirmations=CONFIRMATIONS)


class Nobody:
    def entitlement(self, *_: Any) -> ProvenEntitlement:
        raise EdgeUnavailableError("away")


class FollowedScene:
    """A posted task with two clients, and what its edge server puts into content before it dies."""

    def __init__(self) -> None:
        self.chain, self.store = PlayedChain(), MemoryStore()
        self.store.put(encode(SPEC))
        self.followed = FollowedTask(cast(LedgerReader, self.chain), self.store, 1, ME)
        self.entitlements = Entitlements(ME, cast(EdgeClient, Nobody()), self.followed)
        self.chain.mine(
            TaskPosted, manufacturer=OTHER, terms=terms_of(SPEC), escrow=1, enrol_until=1, task_until=1, claim_until=1
        )
        self.chain.enrol(ME, reputation=ENROLLED_WITH)

    def open(self, number: int, plan: bytes = b"\1" * 32) -> None:
        self.chain.mine(
            RoundOpened,
            round=number,
            plan=plan,
            label=plan,
            cohort_root=ZERO_DIGEST,
            cohort=2,
            beacon=ZERO_DIGEST,
            commit_until=1,
            settle_until=1,
        )

    def publish(self, number: int, reputation: int, accepted: tuple[bytes, ...] = (ME,)) -> None:
        self.say_requested(number)
        digests = self._settled(number, reputation, accepted)
        model = bytes([0x20 + number]) * 32
        self.chain.mine(RoundPublished, round=number, model=model, allocated=1, correct=1, examples=1, **digests)

    def say_requested(self, number: int) -> None:
        self.chain.mine(KeyRequested, round=number, request=ZERO_DIGEST)

    def _settled(self, number: int, reputation: int, accepted: tuple[bytes, ...]) -> dict[str, bytes]:
        allocation = Allocation(1, number, (Entitlement(ME, number, reputation),))
        charge = spent({SPEC.learning.mechanism: number}, SPEC.learning, SPEC.privacy)
        record = RoundRecord(
            ZERO_DIGEST, PUBLISHED, Verdict(ZERO_DIGEST, accepted, ()), ZERO_DIGEST, (), (), (), ZERO_DIGEST,
            ZERO_DIGEST, 0, ZERO_DIGEST, 0, 0, charge, self.store.put(encode(allocation)).digest,
        )  # fmt: skip
        return {"record": self.store.put(encode(record)).digest, "allocation_root": allocation_root(allocation)}

    def bury(self, times: int = 1) -> None:
        for _ in range(times * CONFIRMATIONS):
            self.chain.mine()

    def is_over(self, number: int) -> bool:
        """With the task's confirmations upon its end."""
        self.refresh()
        facts = self.followed.state.round(number)
        return facts is not None and facts.ended is not None and self.followed.is_buried(facts.ended)

    def refresh(self) -> None:
        self.followed.refresh()
        self.followed.read(0, Kind.SPEC)

    def reputations(self, number: int) -> frozenset[int]:
        self.refresh()
        return self.entitlements.reputations_for(number, SPEC.reputation)
