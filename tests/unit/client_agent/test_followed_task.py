"""What a phone makes of a chain that takes blocks back, of rounds that a dispute has frozen, and of missing records."""

from __future__ import annotations

from typing import Any, cast

import pytest

from client_agent.edge_client import EdgeClient, EdgeUnavailableError
from client_agent.entitlements import Entitlements
from client_agent.followed_task import DocumentAbsentError, FollowedTask
from protocol.canonical import encode
from protocol.errors import Party
from protocol.identifiers import ZERO_DIGEST
from protocol.incentives.rewards import allocation_root
from protocol.messages.chain import (
    KeyRequested,
    Left,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    TakenOver,
    TaskPosted,
)
from protocol.messages.settlement import PUBLISHED, Allocation, Entitlement, ProvenEntitlement, RoundRecord, Verdict
from protocol.privacy.spending import spent
from protocol.round.planning import terms_of
from protocol.task.documents import Absent, Kind, Lack
from storage.content.memory import MemoryStore
from storage.ledger.interface import LedgerReader
from tests.samples import client_address, sample_spec
from tests.unit.client_agent.scene_chain import PlayedChain

ME, OTHER = client_address(0), client_address(1)
CONFIRMATIONS = 2
ENROLLED_WITH = 2
SPEC = sample_spec(confirmations=CONFIRMATIONS)


class _Nobody:
    def entitlement(self, *_: Any) -> ProvenEntitlement:
        raise EdgeUnavailableError("away")


class _Scene:
    """A posted task with two clients, and what its edge server puts into content before it dies."""

    def __init__(self) -> None:
        self.chain, self.store = PlayedChain(), MemoryStore()
        self.store.put(encode(SPEC))
        self.followed = FollowedTask(cast(LedgerReader, self.chain), self.store, 1)
        self.entitlements = Entitlements(ME, cast(EdgeClient, _Nobody()), self.followed)
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


@pytest.fixture
def scene() -> _Scene:
    return _Scene()


def test_an_end_counts_once_the_task_s_confirmations_lie_upon_it(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    for _ in range(CONFIRMATIONS):
        assert not scene.is_over(1)
        scene.chain.mine()
    assert scene.is_over(1)


def test_a_round_that_vanishes_ends_as_it_ends_afterwards(scene: _Scene) -> None:
    scene.open(1, plan=b"\1" * 32)
    scene.publish(1, reputation=3)
    scene.refresh()
    assert scene.followed.state.rounds[0].opened.plan == b"\1" * 32
    scene.chain.fall_back(2)
    scene.open(1, plan=b"\7" * 32)
    scene.publish(1, reputation=1, accepted=(OTHER,))
    scene.bury()
    assert scene.is_over(1)
    assert scene.followed.state.rounds[0].opened.plan == b"\7" * 32
    scene.open(2)
    assert scene.reputations(2) == {1}


def test_who_opened_a_round_and_when_this_client_left(scene: _Scene) -> None:
    first, second = SPEC.edge_server, b"\x77" * 20
    scene.open(1)
    scene.chain.mine(Left, client=ME, signature=bytes(65))
    scene.chain.mine(RoundExpired, round=1)
    scene.chain.mine(TakenOver, edge_server=second)
    scene.open(2)
    state = scene.followed.refresh()
    assert [facts.server for facts in state.rounds] == [first, second]
    assert state.left == {ME: 1}


def test_what_only_the_lost_branch_said_is_forgotten(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.open(2)
    assert scene.reputations(2) == {3}
    settled = scene.followed.state.last_settled()
    assert settled is not None and scene.entitlements.after(settled) is not None
    scene.chain.fall_back(2)
    scene.bury(3)  # the branch that wins is longer
    scene.refresh()
    assert scene.followed.state.rounds == () and scene.followed.state.last_settled() is None


def test_the_time_of_a_settlement_moves_with_its_block(scene: _Scene) -> None:
    scene.chain.time = 100
    scene.open(1)
    scene.publish(1, reputation=3)
    dispute = SPEC.durations.dispute_seconds
    assert scene.followed.refresh().payable_from() == 100 + dispute
    scene.chain.fall_back(2)
    scene.chain.time = 150
    scene.open(1)
    scene.publish(1, reputation=3)
    assert scene.followed.refresh().payable_from() == 150 + dispute


def test_a_frozen_round_loses_its_reputations(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.open(2)
    scene.publish(2, reputation=4)
    scene.open(3)
    assert scene.reputations(3) == {4}
    scene.chain.mine(RoundFrozen, round=2, culprit=OTHER)
    assert scene.reputations(3) == {4}, "round 3 was planned before the dispute"
    scene.publish(3, reputation=5)
    scene.chain.mine(RoundFrozen, round=3, culprit=OTHER)
    scene.open(4)
    assert scene.reputations(4) == {3}, "only round 1 still stands"


def test_a_latecomer_comes_with_the_reputation_of_its_enrolment_whatever_was_settled_before(scene: _Scene) -> None:
    scene.chain.fall_back(1)
    scene.open(1)
    scene.publish(1, reputation=5)
    scene.chain.enrol(ME, reputation=ENROLLED_WITH)
    scene.open(2)
    assert scene.reputations(2) == {ENROLLED_WITH}, "round 1 has no leaf of it"
    scene.publish(2, reputation=3)
    scene.open(3)
    assert scene.reputations(3) == {3}


def test_before_any_settled_round_the_reputation_is_that_of_the_enrolment(scene: _Scene) -> None:
    scene.open(1)
    assert scene.reputations(1) == {ENROLLED_WITH}


def test_without_a_proof_every_reputation_counts_that_the_rounds_since_can_have_made(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.open(2)
    assert scene.reputations(2) == {3}
    scene.publish(2, reputation=4)
    scene.open(3)
    scene.store.objects.clear()
    assert scene.reputations(3) == {2, 3, 4}, "one round after a leaf that was proven"


def test_an_allocation_without_the_root_on_chain_proves_nothing(scene: _Scene) -> None:
    scene.open(1)
    digests = scene._settled(1, 5, (ME,))
    scene.say_requested(1)
    wrong = {**digests, "allocation_root": b"\x09" * 32}
    scene.chain.mine(RoundPublished, round=1, model=b"\2" * 32, allocated=1, correct=1, examples=1, **wrong)
    scene.open(2)
    assert scene.reputations(2) == {0, 2, 3}


def test_a_document_that_is_away_is_looked_for_again(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    kept, scene.store.objects = scene.store.objects, {}
    scene.refresh()
    assert not isinstance(scene.followed.read(1, Kind.RECORD).record(1), RoundRecord)
    scene.store.objects = kept
    assert isinstance(scene.followed.read(1, Kind.RECORD).record(1), RoundRecord)


def test_nothing_is_fetched_unasked(scene: _Scene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.followed.refresh()
    assert scene.followed.state.documents == {}
    scene.followed.read(1, Kind.RECORD)
    assert {kind for kind, _ in scene.followed.state.documents} == {Kind.RECORD}


@pytest.mark.parametrize(
    ("kind", "lack", "fault"),
    [
        (Kind.SPEC, Lack.CORRUPT, Party.CONTENT_STORE),
        (Kind.PLAN, Lack.CORRUPT, Party.CONTENT_STORE),
        (Kind.SPEC, Lack.MISSING, Party.MANUFACTURER),
        (Kind.PLAN, Lack.MALFORMED, Party.EDGE_SERVER),
    ],
)
def test_bytes_that_miss_their_digest_are_the_stores_fault(kind: Kind, lack: Lack, fault: Party) -> None:
    assert DocumentAbsentError(kind, Absent(ZERO_DIGEST, lack, OTHER)).fault is fault
