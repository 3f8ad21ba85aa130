"""What the judge finds in the tree of a payout that waits.

given a round that was settled, and whose payout can still be disputed
    when its tree gives a client less than the tree that stands, or its leaves promise more than it allocates
        should convict the server that settled it, and void the tree
    when the leaf is another client's, of another tree, or not less; or the leaves are one twice, or what was allocated
        should refuse
    when another server is accused, or the window is over
        should refuse
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace

import pytest

from protocol.incentives.rewards import allocation_root, claim_batch
from protocol.messages.settlement import Allocation
from protocol.round.state_table import RoundState
from storage.ledger import proofs
from storage.ledger.ethereum.calls import encode_proof
from storage.ledger.signer import Signer
from tests.contracts.accusations import refusal
from tests.contracts.bonded import CONTRIBUTION, PARTICIPATION, bonded
from tests.contracts.scene import Scene, publication

REWARD = PARTICIPATION + CONTRIBUTION


@pytest.fixture
def settled(deployed: Scene) -> Scene:
    """The tree of round 1 stands: everybody was paid; round 2 is requested."""
    scene = bonded(deployed)
    scene.open()
    scene.request()
    scene.publish()
    scene.pass_window()
    scene.open(2)
    scene.request(2)
    return scene


def publish(scene: Scene, cumulative: Sequence[int], allocated: int | None = None) -> Allocation:
    """As the tree of round 2."""
    entries = zip(scene.allocation().entitlements, cumulative, strict=True)
    made = Allocation(1, 2, tuple(replace(entry, cumulative=amount) for entry, amount in entries))
    told = sum(cumulative) if allocated is None else allocated
    scene.by_edge("publishRound", 2, publication(allocation_root(made), told))
    return made


def freezes(scene: Scene, proof: bytes) -> bool:
    scene.by(scene.ledger.stranger, "dispute", proof)
    shown = scene.ledger.task_view(1)
    assert shown.pending_round == 0
    assert shown.payable(scene.ledger.now)[1] == 3 * REWARD  # the tree before it stands
    return scene.ledger.round_view(1, 2).state is RoundState.FROZEN


def test_should_convict_of_a_leaf_that_lost_something(settled: Scene) -> None:
    edge, before = settled.ledger.edge.address, settled.allocation()
    first, second, third = (client.address for client in settled.clients)
    after = publish(settled, [REWARD - 1, REWARD, 2 * REWARD])
    for client in (second, third):
        assert refusal(settled, proofs.lowered_leaf(1, edge, before, after, client)) == ("NoConflict",)
    # of no tree that stands, of none that waits, and two clients' leaves
    for one, other in ((after, before), (before, before), (after, after)):
        assert refusal(settled, proofs.lowered_leaf(1, edge, one, other, first)) == ("NoConflict",)
    richer = replace(before, entitlements=(replace(before.entitlements[0], cumulative=9), *before.entitlements[1:]))
    assert refusal(settled, proofs.lowered_leaf(1, edge, richer, after, first)) == ("NoConflict",)
    substitute = settled.ledger.substitute.address
    assert refusal(settled, proofs.lowered_leaf(1, substitute, before, after, first)) == ("NotAccused", substitute)
    assert freezes(settled, proofs.lowered_leaf(1, edge, before, after, first))


def test_should_not_compare_two_clients(settled: Scene) -> None:
    """One of them earned less than the other one had before: so it may be."""
    edge, before = settled.ledger.edge.address, settled.allocation()
    after = publish(settled, [REWARD, REWARD, 2 * REWARD])
    low = claim_batch(after, {settled.clients[0].address})
    high = claim_batch(before, {settled.clients[1].address})
    shown = [((index, *astuple(leaf)), batch.proof) for batch in (high, low) for index, leaf in batch.leaves]
    assert refusal(settled, encode_proof("loweredLeaf", 1, edge, *shown)) == ("NoConflict",)


def over(scene: Scene, made: Allocation, clients: Sequence[Signer], server: bytes | None = None) -> bytes:
    batch = claim_batch(made, {client.address for client in clients})
    leaves = [(index, *astuple(leaf)) for index, leaf in batch.leaves]
    accused = server or scene.ledger.edge.address
    return encode_proof("overAllocated", 1, accused, leaves, batch.proof, batch.flags)


def test_should_convict_of_leaves_that_promise_more_than_there_is(settled: Scene) -> None:
    allocated = 6 * REWARD
    made = publish(settled, [2 * REWARD, 2 * REWARD + 1, 2 * REWARD], allocated)
    for few in (settled.clients[:2], settled.clients[1:]):  # not more than what was allocated
        assert refusal(settled, over(settled, made, few)) == ("NoConflict",)
    substitute = settled.ledger.substitute.address
    assert refusal(settled, over(settled, made, settled.clients, substitute)) == ("NotAccused", substitute)
    larger = replace(made, entitlements=tuple(replace(entry, cumulative=9_999) for entry in made.entitlements))
    assert refusal(settled, over(settled, larger, settled.clients)) == ("NoConflict",)  # of no tree
    assert proofs.over_allocated(1, settled.ledger.edge.address, made, allocated) == over(
        settled, made, settled.clients
    )
    assert freezes(settled, over(settled, made, settled.clients))


def test_should_count_each_leaf_once(settled: Scene) -> None:
    """All of the tree is in the two children of its root, which a multiproof may name again and again."""
    made = publish(settled, [2 * REWARD, 2 * REWARD, 2 * REWARD])
    assert refusal(settled, over(settled, made, settled.clients)) == ("NoConflict",)
    batch = claim_batch(made, {client.address for client in settled.clients})
    leaves = [(index, *astuple(leaf)) for index, leaf in batch.leaves]
    edge = settled.ledger.edge.address
    for named in ([leaves[0], *leaves], leaves[::-1]):
        proof = encode_proof("overAllocated", 1, edge, named, batch.proof, [*batch.flags, True])
        assert refusal(settled, proof) == ("NoConflict",)


@pytest.mark.parametrize("late", [False, True])
def test_should_judge_a_tree_until_it_can_be_claimed(settled: Scene, late: bool) -> None:
    before = settled.allocation()
    after = publish(settled, [0, REWARD, REWARD], 3 * REWARD)
    proof = proofs.lowered_leaf(1, settled.ledger.edge.address, before, after, settled.clients[0].address)
    settled.ledger.pass_to(settled.ledger.task_view(1).payable_from - (not late))
    if late:
        assert refusal(settled, proof) == ("RoundUnexpected", 1, 2, RoundState.PUBLISHED)
    else:
        assert freezes(settled, proof)


def test_should_know_no_tree_before_one_was_settled(deployed: Scene) -> None:
    scene = bonded(deployed)
    scene.open()
    scene.request()
    edge, before = scene.ledger.edge.address, scene.allocation()
    for proof in (
        proofs.lowered_leaf(1, edge, before, before, scene.clients[0].address),
        over(scene, before, scene.clients),
    ):
        assert refusal(scene, proof) == ("NotAccused", edge)
