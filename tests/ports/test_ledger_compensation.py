"""What a round that was not published pays, in every implementation of the ledger port.

given a round in which clients committed, directly and in the batch
    when its server leaves it alone
        should charge the server's bond, and pay each client its participation, once, whoever sends it
    when a key was requested, and nothing was published
        should pay the whole reward, and charge nobody
    when a commitment, or a place in the cohort, is not proven, or the round is not over like that
        should pay nothing
given a published round with fees
    when the leaves of its servers are claimed
        should pay them
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages import chain as on_chain
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import BatchLeaf, CommitmentBatch
from protocol.round.commitments import batch_leaf_of, batch_of, batch_root
from storage.ledger.interface import TransactionReceipt, TransactionRevertedError
from tests.ports.ledger_scene import BATCH, IMPLEMENTATIONS, MODEL, RECORD, REQUEST, PortScene, scene_on

PARTICIPATION, CONTRIBUTION, BOND = 400, 600, 2_500
OWED = 3 * PARTICIPATION  # a batch counts as the whole cohort


@pytest.fixture(params=IMPLEMENTATIONS)
def scene(request: pytest.FixtureRequest) -> Iterator[PortScene]:
    """A round with a batch of the first two clients, and the third one's direct commitment."""
    with scene_on(request.param) as scene:
        scene.terms = replace(
            scene.terms, participation=PARTICIPATION, contribution=CONTRIBUTION, edge_bond=BOND, dispute_seconds=0
        )
        scene.post()
        scene.edge.place_bond(1, scene.edge.sender, BOND)
        scene.enrol_all()
        scene.open_posted_round()
        scene.edge.commit_direct(scene.commitment(scene.clients[2]), scene.place(scene.clients[2]))
        scene.chain.pass_time(2 * scene.terms.training_seconds)
        scene.edge.commit_batch(1, 1, batch_root(batch(scene)), BATCH, 2)
        yield scene


def batch(scene: PortScene) -> CommitmentBatch:
    return batch_of(scene.commitment(client) for client in scene.clients[:2])


def leaf(scene: PortScene, number: int) -> BatchLeaf | None:
    return batch_leaf_of(batch(scene), scene.clients[number].address) if number < 2 else None


def compensate(scene: PortScene, number: int) -> TransactionReceipt:
    client = scene.clients[number]
    return scene.manufacturer.compensate(1, 1, client.address, scene.place(client), leaf(scene, number))


def expire(scene: PortScene) -> TransactionReceipt:
    scene.chain.pass_time(scene.terms.commit_seconds + scene.terms.settle_seconds + 1)
    return scene.manufacturer.expire_round(1, 1)


def refused(scene: PortScene, number: int) -> str:
    with pytest.raises(TransactionRevertedError) as caught:
        compensate(scene, number)
    return caught.value.name


def check_payments(scene: PortScene, each: int) -> None:
    assert scene.edge.task(1).reserved == 3 * each
    for number, client in enumerate(scene.clients):
        before = scene.edge.balance(client.address)
        assert not scene.edge.is_compensated(1, 1, client.address)
        receipt = compensate(scene, number)
        (event,) = receipt.logs
        assert isinstance(event, on_chain.Compensated)
        assert (event.task, event.round, event.client, event.amount) == (1, 1, client.address, each)
        assert scene.edge.balance(client.address) - before == each
        assert scene.edge.is_compensated(1, 1, client.address)
        assert refused(scene, number) == "NothingToPay"
    assert scene.edge.task(1).reserved == 0


def test_a_round_that_its_server_left_alone_pays_participation(scene: PortScene) -> None:
    expired, forfeited = expire(scene).logs
    assert isinstance(expired, on_chain.RoundExpired) and isinstance(forfeited, on_chain.BondForfeited)
    assert (forfeited.holder, forfeited.reporter) == (scene.edge.sender, bytes(20))
    assert (forfeited.amount, forfeited.share) == (OWED, 0)
    assert scene.edge.bond(1, scene.edge.sender).amount == BOND - OWED
    assert scene.edge.task(1).stopped
    check_payments(scene, PARTICIPATION)


def test_a_round_whose_key_was_requested_pays_the_whole_reward(scene: PortScene) -> None:
    scene.chain.pass_time(scene.terms.objection_seconds + 1)
    scene.edge.request_key(1, 1, REQUEST)
    (expired,) = expire(scene).logs
    assert isinstance(expired, on_chain.RoundExpired)
    assert scene.edge.bond(1, scene.edge.sender).amount == BOND
    check_payments(scene, PARTICIPATION + CONTRIBUTION)


def test_what_is_not_proven_is_not_paid(scene: PortScene) -> None:
    assert refused(scene, 0) == "RoundUnexpected"
    expire(scene)
    one, other, direct = scene.clients
    good = leaf(scene, 0)
    assert good is not None
    flawed = {
        "NotPlanned": (one, scene.place(other), good),
        "ProofInvalid": (one, scene.place(one), leaf(scene, 1)),
    }
    for name, (client, place, shown) in flawed.items():
        with pytest.raises(TransactionRevertedError, match=name):
            scene.manufacturer.compensate(1, 1, client.address, place, shown)
    for shown in (None, replace(good, index=1), replace(good, proof=())):
        with pytest.raises(TransactionRevertedError, match="ProofInvalid"):
            scene.manufacturer.compensate(1, 1, one.address, scene.place(one), shown)
    # who committed directly needs no leaf, and gets no second payment by one
    scene.manufacturer.compensate(1, 1, direct.address, scene.place(direct), good)
    assert refused(scene, 2) == "NothingToPay"


def test_servers_are_paid_their_fees(scene: PortScene) -> None:
    terms = scene.terms
    earned = {client.address: PARTICIPATION for client in scene.clients}
    earned |= {scene.edge.sender: terms.edge_fee, terms.authorities[0]: terms.authority_fee}
    leaves = (Entitlement(who, earned[who], 3 if earned[who] == PARTICIPATION else 0) for who in sorted(earned))
    allocation = Allocation(1, 1, tuple(leaves))
    scene.chain.pass_time(terms.objection_seconds + 1)
    scene.edge.request_key(1, 1, REQUEST)
    published = on_chain.Publication(MODEL, RECORD, allocation_root(allocation), sum(earned.values()), 8, 10)
    scene.edge.publish_round(1, 1, published)
    for who in (scene.edge.sender, terms.authorities[0]):
        before = scene.edge.balance(who)
        (claimed,) = scene.manufacturer.claim(1, claim_proof(allocation, who)).logs
        assert isinstance(claimed, on_chain.Claimed)
        assert (claimed.client, claimed.amount, claimed.freed) == (who, earned[who], False)
        assert scene.edge.balance(who) - before == earned[who] == scene.edge.claimed(1, who)
