"""What a phone makes of a chain that takes blocks back, of rounds that a dispute has frozen, and of missing records."""

from __future__ import annotations

import pytest

from client_agent.followed_task import DocumentAbsentError
from protocol.errors import Party
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import (
    Left,
    RoundExpired,
    RoundFrozen,
    RoundPublished,
    TakenOver,
)
from protocol.messages.settlement import RoundRecord
from protocol.task.documents import Absent, Kind, Lack
from tests.unit.client_agent.scene_followed import CONFIRMATIONS, ENROLLED_WITH, ME, OTHER, SPEC, FollowedScene


@pytest.fixture
def scene() -> FollowedScene:
    return FollowedScene()


def test_an_end_counts_once_the_task_s_confirmations_lie_upon_it(scene: FollowedScene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    for _ in range(CONFIRMATIONS):
        assert not scene.is_over(1)
        scene.chain.mine()
    assert scene.is_over(1)


def test_a_round_that_vanishes_ends_as_it_ends_afterwards(scene: FollowedScene) -> None:
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


def test_who_opened_a_round_and_when_this_client_left(scene: FollowedScene) -> None:
    first, second = SPEC.edge_server, b"\x77" * 20
    scene.open(1)
    scene.chain.mine(Left, client=ME, signature=bytes(65))
    scene.chain.mine(RoundExpired, round=1)
    scene.chain.mine(TakenOver, edge_server=second)
    scene.open(2)
    state = scene.followed.refresh()
    assert [facts.server for facts in state.rounds] == [first, second]
    assert state.left == {ME: 1}


def test_what_only_the_lost_branch_said_is_forgotten(scene: FollowedScene) -> None:
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


def test_the_time_of_a_settlement_moves_with_its_block(scene: FollowedScene) -> None:
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


def test_a_frozen_round_loses_its_reputations(scene: FollowedScene) -> None:
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


def test_a_latecomer_comes_with_the_reputation_of_its_enrolment_whatever_was_settled_before(
    scene: FollowedScene,
) -> None:
    scene.chain.fall_back(1)
    scene.open(1)
    scene.publish(1, reputation=5)
    scene.chain.enrol(ME, reputation=ENROLLED_WITH)
    scene.open(2)
    assert scene.reputations(2) == {ENROLLED_WITH}, "round 1 has no leaf of it"
    scene.publish(2, reputation=3)
    scene.open(3)
    assert scene.reputations(3) == {3}


def test_before_any_settled_round_the_reputation_is_that_of_the_enrolment(scene: FollowedScene) -> None:
    scene.open(1)
    assert scene.reputations(1) == {ENROLLED_WITH}


def test_without_a_proof_every_reputation_counts_that_the_rounds_since_can_have_made(scene: FollowedScene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    scene.open(2)
    assert scene.reputations(2) == {3}
    scene.publish(2, reputation=4)
    scene.open(3)
    scene.store.objects.clear()
    assert scene.reputations(3) == {2, 3, 4}, "one round after a leaf that was proven"


def test_an_allocation_without_the_root_on_chain_proves_nothing(scene: FollowedScene) -> None:
    scene.open(1)
    digests = scene._settled(1, 5, (ME,))
    scene.say_requested(1)
    wrong = {**digests, "allocation_root": b"\x09" * 32}
    scene.chain.mine(RoundPublished, round=1, model=b"\2" * 32, allocated=1, correct=1, examples=1, **wrong)
    scene.open(2)
    assert scene.reputations(2) == {0, 2, 3}


def test_a_document_that_is_away_is_looked_for_again(scene: FollowedScene) -> None:
    scene.open(1)
    scene.publish(1, reputation=3)
    kept, scene.store.objects = scene.store.objects, {}
    scene.refresh()
    assert not isinstance(scene.followed.read(1, Kind.RECORD).record(1), RoundRecord)
    scene.store.objects = kept
    assert isinstance(scene.followed.read(1, Kind.RECORD).record(1), RoundRecord)


def test_nothing_is_fetched_unasked(scene: FollowedScene) -> None:
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
