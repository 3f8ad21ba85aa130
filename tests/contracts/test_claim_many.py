"""claimMany.

given a settled round
    when anyone sends some leaves with their multiproof
        should pay each of them, whatever their number and places
    when one of them was claimed before
        should skip it and pay the others
    when a leaf, the proof or the order is another
        should refuse
given the gas targets
    should stay below them, alone and in a batch
"""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.domain import entitlement_leaf
from protocol.incentives.rewards import ClaimBatch, allocation_root, claim_batch
from protocol.keccak import keccak
from protocol.messages.settlement import Allocation, Entitlement
from storage.ledger.signer import Signer
from tests.contracts.ledger import Ledger
from tests.contracts.scene import REWARD, ROOT, Scene, publication
from tests.samples import private_key


def refusal(scene: Scene, call: tuple[object, ...]) -> tuple[object, ...]:
    return scene.ledger.refusal(scene.ledger.stranger, "claimMany", *call)


def test_should_pay_every_choice_of_leaves(published: Scene) -> None:
    ledger = published.ledger
    for size in (1, 2, 3):
        for chosen in combinations(published.clients, size):
            snapshot = ledger.chain.snapshot()
            paid = published.claim_many(*chosen).events
            assert [event.client for event in paid] == [one.address for one in reversed(chosen)]  # type: ignore[attr-defined]
            assert [ledger.balance(one.address) for one in published.clients] == [
                REWARD if one in chosen else 0 for one in published.clients
            ]
            assert ledger.task_view(1).claimed == size * REWARD
            ledger.chain.revert(snapshot)


def test_should_skip_what_was_claimed(published: Scene) -> None:
    first, second, third = published.clients
    published.claim(second)
    assert len(published.claim_many(first, second, third).events) == 2
    assert published.claim_many(first, second, third).events == ()
    assert published.ledger.task_view(1).claimed == 3 * REWARD


def test_should_refuse_another_leaf_proof_or_order(published: Scene) -> None:
    task, leaves, proof, flags = published.claim_many_call(*published.clients[:2])
    assert isinstance(leaves, list) and isinstance(proof, tuple) and isinstance(flags, tuple)
    thief = [(leaves[0][0], published.outsider.address, *leaves[0][2:]), leaves[1]]
    for call in ((task, thief, proof, flags), (task, leaves, [b"\x01" * 32] * len(proof), flags)):
        assert refusal(published, call) == ("ProofInvalid", 1, bytes(20))
    invalid = (task, leaves, proof, [not flag for flag in flags])
    assert refusal(published, invalid)[0] in ("ProofInvalid", "MerkleProofInvalidMultiproof")
    twice = (task, [leaves[0], leaves[0]], proof, flags)
    assert refusal(published, twice)[0] == "ProofInvalid"


def test_should_pay_no_more_than_was_allocated(requested: Scene) -> None:
    root, _ = requested.reward(*requested.clients * 2)
    requested.by_edge("publishRound", 1, publication(root, 3 * REWARD))
    expected = ("AllocationWrong", 2 * REWARD, 0, REWARD)
    assert refusal(requested, requested.claim_many_call(*requested.clients)) == expected


@given(st.integers(1, 40), st.data())
def test_should_prove_any_choice_in_any_tree(size: int, data: st.DataObject) -> None:
    """OpenZeppelin's way of walking a multiproof, written down once more."""
    entries = tuple(Entitlement(bytes([number + 1]) * 20, number, 1) for number in range(size))
    allocation = Allocation(1, 1, entries)
    chosen = data.draw(st.sets(st.sampled_from([entry.client for entry in entries]), min_size=1))
    batch = claim_batch(allocation, chosen)
    assert {entry.client for _, entry in batch.leaves} == chosen
    assert walk(batch, 1) == allocation_root(allocation)


def walk(batch: ClaimBatch, task: int) -> bytes:
    queue = [entitlement_leaf(task, index, entry) for index, entry in batch.leaves]
    proof = list(batch.proof)
    for flag in batch.flags:
        a = queue.pop(0)
        b = queue.pop(0) if flag else proof.pop(0)
        queue.append(keccak(min(a, b) + max(a, b)))
    (found,) = queue + proof
    return found


@pytest.fixture(scope="module")
def crowd() -> Scene:
    """A hundred clients, all paid in round 1."""
    ledger = Ledger()
    scene = Scene(ledger)
    scene.clients = sorted((Signer(private_key("crowd", n)) for n in range(100)), key=lambda one: one.address)
    scene.earned = dict.fromkeys((client.address for client in scene.clients), 0)
    scene.post(max_clients=100)
    for start in range(0, 100, 25):
        scene.enrol(*scene.clients[start : start + 25])
    scene.open(1, 100)
    scene.request(1, 100)
    scene.publish()
    return scene


def test_should_cost_little_for_each_of_a_hundred(crowd: Scene) -> None:
    ledger = crowd.ledger
    assert crowd.claim(crowd.clients[3]).gas <= 111_000
    for client in crowd.clients:  # accounts that exist cost less to pay
        ledger.transact(ledger.faucet, client.address, b"", 1)
    alone, batch = crowd.claim(crowd.clients[2]).gas, crowd.claim_many(*crowd.clients).gas
    print(f"claim {alone}, of a hundred {batch // 98}")
    assert alone <= 86_000 and batch <= 98 * 55_000


def test_should_cost_the_same_for_every_round(crowd: Scene) -> None:
    """A second round, then a last claim, which frees its client."""
    opened, batched = crowd.open(2, 100).gas, crowd.commit_batch(2, 99).gas
    call = crowd.direct(crowd.clients[0], round=2)
    direct = crowd.by(crowd.ledger.stranger, "commitDirect", *call).gas
    crowd.pass_after(crowd.ledger.round_view(1, 2).object_until)
    requested, published = crowd.by_edge("requestKey", 2, ROOT).gas, crowd.publish(2).gas
    crowd.pass_after(crowd.ledger.task_view(1).task_until)
    last = crowd.claim(crowd.clients[5]).gas
    print(f"open {opened}, batch {batched}, direct {direct}, request {requested}, publish {published}, last {last}")
    assert opened + batched + requested + published <= 400_000
    assert direct <= 93_000
    assert last <= 87_000
