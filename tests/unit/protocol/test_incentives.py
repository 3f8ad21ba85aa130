"""Reputation and rewards as pure functions of verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import merkle
from protocol.domain import entitlement_leaf
from protocol.incentives.reputation import next_reputation
from protocol.incentives.rewards import allocation_root, claim_proof, first_allocation, settle, total_wei
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Rejection, Verdict
from protocol.messages.task import ReputationTerms
from tests.samples import client_address, sample_spec

TERMS = ReputationTerms(initial=2, floor=2, maximum=5)
A, B, C, D = (client_address(i) for i in range(4))


@pytest.mark.parametrize(
    ("before", "good", "bad", "after"),
    [
        *((2, True, False, 3), (5, True, False, 5), (2, False, True, 0), (3, False, True, 2), (4, False, False, 4)),
        *((0, True, False, 1), (1, False, True, 2), (0, False, False, 1)),
    ],
)
def test_reputation_table(before: int, good: bool, bad: bool, after: int) -> None:
    assert next_reputation(before, TERMS, good=good, bad=bad) == after


@given(st.integers(0, 5), st.lists(st.sampled_from([(True, False), (False, True), (False, False)])))
def test_reputation_stays_within_bounds(start: int, rounds: list[tuple[bool, bool]]) -> None:
    reputation = start
    for good, bad in rounds:
        reputation = next_reputation(reputation, TERMS, good=good, bad=bad)
        assert 0 <= reputation <= TERMS.maximum


def test_accepted_clients_earn_and_only_the_malformed_lose_reputation() -> None:
    spec = sample_spec()
    reward = spec.rewards.update_reward_wei
    start = first_allocation(1, dict.fromkeys([D, B, A, C], 3))
    rejected = (Rejection(B, MALFORMED), Rejection(C, CORRUPT), Rejection(D, UNAVAILABLE))
    after = settle(spec, start, 1, Verdict(bytes(32), (A,), rejected))
    assert [e.client for e in after.entitlements] == sorted([A, B, C, D])
    found = {e.client: (e.cumulative_wei, e.reputation) for e in after.entitlements}
    assert found == {A: (reward, 4), B: (0, 2), C: (0, 3), D: (0, 3)}
    assert total_wei(after) == reward


@given(st.lists(st.sets(st.integers(0, 3)), max_size=6))
def test_totals_grow_by_the_flat_reward_of_each_accepted_update(rounds: list[set[int]]) -> None:
    spec = sample_spec()
    allocation = first_allocation(1, dict.fromkeys([A, B, C, D], 2))
    for number, accepted in enumerate(rounds, start=1):
        verdict = Verdict(bytes(32), tuple(sorted(client_address(i) for i in accepted)), ())
        allocation = settle(spec, allocation, number, verdict)
    assert total_wei(allocation) == spec.rewards.update_reward_wei * sum(len(accepted) for accepted in rounds)


def test_every_entitlement_has_a_proof_under_the_root() -> None:
    allocation = first_allocation(9, {client_address(i): i for i in range(7)})
    root = allocation_root(allocation)
    for entry in allocation.entitlements:
        index, leaf, path = claim_proof(allocation, entry.client)
        merkle.verify(root, entitlement_leaf(9, index, leaf), path)
    with pytest.raises(KeyError):
        claim_proof(allocation, bytes(20))
