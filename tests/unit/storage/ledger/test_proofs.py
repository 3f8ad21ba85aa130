"""What the proofs of breaches show the judge; that it convicts by them is in tests/contracts.

given a tree that owes more than was allocated
    should show the fewest leaves that do, the dearest ones, by descending index
given a leaf of a client that was not planned
    should show the two neighbours in the cohort, or the one at its end
given a leaf that was lowered
    should show it in both trees
"""

from __future__ import annotations

from typing import Any

import pytest

from protocol import merkle
from protocol.cohort import sum_of, verify_place
from protocol.domain import entitlement_leaf
from protocol.incentives.rewards import allocation_root
from protocol.messages.round import ClientWeight, CohortNode, CohortPlace
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import Commitment, CommitmentBatch, SignedCommitment
from storage.ledger import proofs
from storage.ledger.ethereum import abi

SERVER, TASK, ROUND = b"\x11" * 20, 3, 2
EARNED = (50, 10, 70, 20, 60)


def client(number: int) -> bytes:
    return bytes([number]) * 20


def tree(*earned: int, round_number: int = ROUND) -> Allocation:
    return Allocation(TASK, round_number, tuple(Entitlement(client(i + 1), e, 2) for i, e in enumerate(earned)))


def arguments(name: str, proof: bytes) -> tuple[Any, ...]:
    entry = abi.proofs()[name]
    assert proof[:4] == entry.hash[:4]
    return abi.decode(entry.inputs, proof[4:])


@pytest.mark.parametrize(
    ("allocated", "shown"), [(69, [2]), (70, [4, 2]), (130, [4, 2, 0]), (179, [4, 2, 0]), (209, [4, 3, 2, 1, 0])]
)
def test_the_fewest_leaves_are_shown(allocated: int, shown: list[int]) -> None:
    task, server, leaves, _, _ = arguments(
        "overAllocated", proofs.over_allocated(TASK, SERVER, tree(*EARNED), allocated)
    )
    assert (task, server) == (TASK, SERVER)
    assert leaves == tuple((index, client(index + 1), EARNED[index], 2) for index in shown)


@pytest.mark.parametrize(("unplanned", "around"), [(1, [2]), (3, [2, 4]), (9, [6])])
def test_the_neighbours_of_an_unplanned_client_are_shown(unplanned: int, around: list[int]) -> None:
    weights = [ClientWeight(client(number), 2) for number in (2, 4, 6)]
    commitment = Commitment(TASK, ROUND, client(unplanned), b"\x33" * 32, b"\x34" * 16, b"\x35" * 32)
    batch = CommitmentBatch((SignedCommitment(commitment, b"\x55" * 65),))
    proof = proofs.unplanned_leaf(TASK, ROUND, SERVER, batch, 0, weights)
    task, number, server, leaf, placed = arguments("unplannedLeaf", proof)
    assert (task, number, server) == (TASK, ROUND, SERVER)
    assert leaf[1][2] == client(unplanned)
    assert [who for who, _ in placed] == [client(one) for one in around]
    for who, (index, weight, siblings) in placed:
        place = CohortPlace(index, weight, tuple(CohortNode(*sibling) for sibling in siblings))
        verify_place(sum_of(weights).root, len(weights), who, place)


def test_a_lowered_leaf_is_shown_in_both_trees() -> None:
    before, after = tree(*EARNED, round_number=1), tree(50, 10, 69, 20, 80)
    proof = proofs.lowered_leaf(TASK, SERVER, before, after, client(3))
    task, server, *shown = arguments("loweredLeaf", proof)
    assert (task, server) == (TASK, SERVER)
    for allocation, cumulative, ((*leaf,), path) in zip((before, after), (70, 69), shown, strict=True):
        assert leaf == [2, client(3), cumulative, 2]
        merkle.verify(
            allocation_root(allocation), entitlement_leaf(TASK, 2, Entitlement(client(3), cumulative, 2)), path
        )
