"""Participation and contribution: exact, bounded, monotone, and the same for everyone who computes them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audit.allocation_checks import same_allocation
from protocol.errors import Party, VerificationError
from protocol.identifiers import Address, to_hex
from protocol.incentives.contribution import Progress, contribution
from protocol.incentives.rewards import (
    admit,
    allocation_root,
    claim_proof,
    fees,
    first_allocation,
    settle,
    total_owed,
    verify_entitlement,
)
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Allocation, Rejection, Verdict
from protocol.messages.task import DepositTerms, RewardTerms, TaskSpec
from tests.samples import client_address, sample_spec

REWARDS = RewardTerms(participation=599, contribution=401, target_gain_ppm=100_000)
A, B, C, D = (client_address(i) for i in range(4))
MAXIMUM = 5

counts = st.integers(1, 10_000).flatmap(
    lambda examples: st.builds(Progress, st.integers(0, examples), st.integers(0, examples), st.just(examples))
)
terms = st.builds(RewardTerms, st.integers(0, 2**90), st.integers(0, 2**90), st.integers(1, 1_000_000))


@pytest.mark.parametrize(
    ("weight", "best", "correct", "paid"),
    [
        (5, 20, 30, 401),  # ten of a hundred more: the target, at the largest weight
        (5, 20, 90, 401),  # more than the target earns no more
        (5, 20, 25, 200),  # half of it, rounded down
        (4, 20, 30, 320),  # 401 * 4 / 5, rounded down
        (2, 20, 21, 16),  # 401 / 10 * 2 / 5
        (5, 20, 20, 0),
        (5, 20, 10, 0),
        (0, 20, 30, 0),
    ],
)
def test_contribution_by_hand(weight: int, best: int, correct: int, paid: int) -> None:
    assert contribution(weight, MAXIMUM, Progress(best, correct, 100), REWARDS) == paid


def test_counts_of_nothing_release_nothing() -> None:
    assert contribution(5, MAXIMUM, Progress(0, 7, 0), REWARDS) == 0


@given(st.integers(1, 255), st.data(), counts, terms)
def test_contribution_is_the_exact_share_rounded_down(
    maximum: int, data: st.DataObject, progress: Progress, rewards: RewardTerms
) -> None:
    weight = data.draw(st.integers(0, maximum))
    gain = max(Fraction(0), Fraction(progress.correct - progress.best, progress.examples))
    released = min(Fraction(1), gain / Fraction(rewards.target_gain_ppm, 10**6))
    exact = rewards.contribution * released * Fraction(weight, maximum)
    paid = contribution(weight, maximum, progress, rewards)
    assert isinstance(paid, int)
    assert 0 <= exact - paid < 1
    assert paid <= rewards.contribution


@given(st.integers(1, 255), st.data(), counts, terms)
def test_more_weight_or_a_better_model_never_earns_less(
    maximum: int, data: st.DataObject, progress: Progress, rewards: RewardTerms
) -> None:
    less, more = sorted(data.draw(st.lists(st.integers(0, maximum), min_size=2, max_size=2)))
    better = replace(progress, correct=data.draw(st.integers(progress.correct, progress.examples)))
    paid = contribution(less, maximum, progress, rewards)
    assert paid <= contribution(more, maximum, progress, rewards)
    assert paid <= contribution(less, maximum, better, rewards)


def _spec(rewards: RewardTerms = REWARDS) -> TaskSpec:
    """Whose server is good for what it promises."""
    return sample_spec(rewards=rewards, deposits=DepositTerms(edge_server=2**100))


def _accepting(*clients: Address) -> Verdict:
    return Verdict(bytes(32), tuple(sorted(clients)), ())


def _earned(allocation: Allocation) -> dict[Address, int]:
    return {entry.client: entry.cumulative for entry in allocation.entitlements}


def test_accepted_clients_earn_by_reputation_and_nobody_else_anything() -> None:
    start = first_allocation(1, {D: 4, B: 4, A: 3, C: 255})
    rejected = (Rejection(B, MALFORMED),)
    after = settle(_spec(), start, 1, replace(_accepting(A, C), rejected=rejected), Progress(20, 30, 100), {})
    assert [entry.client for entry in after.entitlements] == sorted([A, B, C, D])
    assert _earned(after) == {A: 599 + 240, B: 0, C: 599 + 401, D: 0}
    assert {entry.client: entry.reputation for entry in after.entitlements} == {A: 4, B: 3, C: 5, D: 4}


def test_an_abandoned_round_pays_participation_alone() -> None:
    start = first_allocation(1, dict.fromkeys([A, B, C, D], 5))
    rejected = (Rejection(C, CORRUPT), Rejection(D, UNAVAILABLE))
    after = settle(_spec(), start, 1, replace(_accepting(A, B), rejected=rejected), None, {})
    assert _earned(after) == {A: 599, B: 599, C: 0, D: 0}


def test_what_is_won_back_is_not_paid_twice() -> None:
    """Falling behind the best model and catching up releases nothing."""
    allocation, best, paid = first_allocation(1, dict.fromkeys([A, B], 5)), 20, []
    for number, correct in enumerate((25, 15, 25, 24, 26), start=1):
        before = total_owed(allocation)
        allocation = settle(_spec(), allocation, number, _accepting(A, B), Progress(best, correct, 100), {})
        best = max(best, correct)
        paid.append(total_owed(allocation) - before - 2 * 599)
    assert paid == [2 * 200, 0, 0, 0, 2 * 40]


rounds = st.lists(st.tuples(st.sets(st.integers(0, 3)), st.none() | counts), max_size=6)
standings = st.fixed_dictionaries({client: st.integers(0, 255) for client in (A, B, C, D)})


@given(rounds, standings, terms, st.randoms(use_true_random=False))
def test_every_round_stays_within_its_budget_whatever_the_order(
    played: list[tuple[set[int], Progress | None]], reputations: dict[Address, int], rewards: RewardTerms, order: object
) -> None:
    spec, allocation = _spec(rewards), first_allocation(1, reputations)
    shuffled = list(reputations.items())
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    again = first_allocation(1, dict(shuffled))
    for number, (accepted, progress) in enumerate(played, start=1):
        clients = [client_address(i) for i in accepted]
        before = _earned(allocation)
        allocation = settle(spec, allocation, number, _accepting(*clients), progress, {})
        again = settle(spec, again, number, _accepting(*reversed(clients)), progress, {})
        gained = {client: wei - before[client] for client, wei in _earned(allocation).items()}
        for client, wei in gained.items():
            low, high = rewards.participation, rewards.update_reward
            assert low <= wei <= high if client in clients else wei == 0
        assert sum(gained.values()) <= len(clients) * rewards.update_reward
    assert allocation == again


@given(rounds, terms)
def test_every_wei_of_the_escrow_is_paid_or_left_for_the_refund(
    played: list[tuple[set[int], Progress | None]], rewards: RewardTerms
) -> None:
    """The remainder of every division stays in the escrow: less than one wei for each accepted update."""
    spec = replace(_spec(rewards), rounds=6)
    allocation, exact, updates = first_allocation(1, dict.fromkeys([A, B, C, D], MAXIMUM)), Fraction(0), 0
    for number, (accepted, progress) in enumerate(played, start=1):
        clients = [client_address(i) for i in accepted]
        allocation = settle(spec, allocation, number, _accepting(*clients), progress, {})
        gain = max(0, progress.correct - progress.best) if progress else 0
        share = Fraction(gain * 10**6, progress.examples * rewards.target_gain_ppm) if progress else Fraction(0)
        exact += len(clients) * (rewards.participation + min(Fraction(1), share) * rewards.contribution)
        updates += len(clients)
    remainder = exact - total_owed(allocation)
    assert 0 <= remainder <= updates
    assert total_owed(allocation) <= spec.budget()


def test_newcomers_begin_with_their_reputation_and_nobody_else_changes() -> None:
    earned = settle(_spec(), first_allocation(1, {A: 3, C: 4}), 1, _accepting(A, C), None, {})
    admitted = admit(earned, {B: 2, D: 5})
    listed = {entry.client: (entry.cumulative, entry.reputation) for entry in admitted.entitlements}
    assert listed == {A: (599, 4), C: (599, 5), B: (0, 2), D: (0, 5)}
    assert [entry.client for entry in admitted.entitlements] == sorted(listed)
    assert (admitted.task, admitted.round) == (earned.task, earned.round)
    assert admit(earned, {}) == earned


def test_whoever_served_has_a_leaf_without_reputation_from_then_on() -> None:
    spec, edge = sample_spec(), sample_spec().edge_server
    members = spec.committee.members
    assert fees(spec, edge, members[:2]) == {edge: 70, members[0]: 30, members[1]: 30}
    assert fees(_spec(REWARDS), edge, members[:2]) == {}, "no fees, no leaves"
    first = settle(spec, first_allocation(1, {A: 2}), 1, _accepting(A), None, fees(spec, edge, members[:2]))
    second = settle(spec, first, 2, _accepting(A), None, {edge: 70})
    listed = {entry.client: (entry.cumulative, entry.reputation) for entry in second.entitlements}
    assert listed == {A: (2 * 599, 4), edge: (140, 0), members[0]: (30, 0), members[1]: (30, 0)}
    assert [entry.client for entry in second.entitlements] == sorted(listed)


def test_a_server_that_is_a_client_has_one_leaf_with_the_sum() -> None:
    spec, edge = sample_spec(), sample_spec().edge_server
    after = settle(spec, first_allocation(1, {edge: 2}), 1, _accepting(edge), None, fees(spec, edge, ()))
    (leaf,) = after.entitlements
    assert (leaf.client, leaf.cumulative, leaf.reputation) == (edge, 599 + 70, 3)


def test_a_client_that_was_expelled_waits_as_before() -> None:
    after = settle(_spec(), first_allocation(1, {A: 0}), 1, _accepting(), None, {})
    assert [entry.reputation for entry in after.entitlements] == [1]


@given(
    rounds, st.builds(replace, terms, edge_fee=st.integers(0, 2**90), authority_fee=st.integers(0, 2**90)), st.data()
)
def test_a_round_grows_by_what_the_contract_takes_at_most(
    played: list[tuple[set[int], Progress | None]], rewards: RewardTerms, data: st.DataObject
) -> None:
    """Also with newcomers; an abandoned one by no more than participation."""
    spec = _spec(rewards)
    allocation, members = first_allocation(1, {A: 2}), spec.committee.members
    for number, (accepted, progress) in enumerate(played, start=1):
        known = {entry.client for entry in allocation.entitlements}
        newcomers = {client: 2 for client in map(client_address, accepted) if client not in known}
        before = admit(allocation, newcomers)
        assert total_owed(before) == total_owed(allocation)
        made = data.draw(st.sets(st.sampled_from(members)))
        served = fees(spec, spec.edge_server, made) if progress else {}
        allocation = settle(spec, before, number, _accepting(*map(client_address, accepted)), progress, served)
        most = len(accepted) * rewards.participation
        if progress:
            most += len(accepted) * rewards.contribution + rewards.edge_fee + len(members) * rewards.authority_fee
        assert total_owed(before) <= total_owed(allocation) <= total_owed(before) + most


def test_the_auditor_names_the_client_that_is_paid_wrongly() -> None:
    derived = first_allocation(1, dict.fromkeys([A, B], 3))
    first, second = derived.entitlements
    wrong = {
        f"earned by {to_hex(first.client)}: 1 is claimed, 0": (replace(first, cumulative=1), second),
        f"reputation of {to_hex(second.client)}: 4 is claimed, 3": (first, replace(second, reputation=4)),
        "order of the allocation": (second, first),
    }
    for message, entitlements in wrong.items():
        with pytest.raises(VerificationError, match=message):
            same_allocation(replace(derived, entitlements=entitlements), derived)
    with pytest.raises(VerificationError, match="allocation, round: 1 is claimed, 0"):
        same_allocation(replace(derived, round=1), derived)
    same_allocation(derived, derived)


def test_every_entitlement_has_a_proof_under_the_root() -> None:
    allocation = first_allocation(9, {client_address(i): i for i in range(7)})
    root = allocation_root(allocation)
    for entry in allocation.entitlements:
        proven = claim_proof(allocation, entry.client)
        assert proven.entitlement == entry
        verify_entitlement(root, 9, entry.client, proven)
    with pytest.raises(KeyError):
        claim_proof(allocation, bytes(20))


@pytest.mark.parametrize("flaw", ["amount", "reputation", "client", "index", "proof", "task", "root"])
def test_nothing_but_the_own_leaf_under_the_root_is_believed(flaw: str) -> None:
    allocation = first_allocation(9, {client_address(i): i for i in range(7)})
    client, root, task = allocation.entitlements[3].client, allocation_root(allocation), 9
    honest = claim_proof(allocation, client)
    leaf = honest.entitlement
    said = {
        "amount": replace(honest, entitlement=replace(leaf, cumulative=1)),
        "reputation": replace(honest, entitlement=replace(leaf, reputation=7)),
        "client": claim_proof(allocation, allocation.entitlements[4].client),
        "index": replace(honest, index=honest.index + 1),
        "proof": replace(honest, proof=honest.proof[:-1]),
    }.get(flaw, honest)
    task, root = 8 if flaw == "task" else task, bytes(32) if flaw == "root" else root
    with pytest.raises(VerificationError) as caught:
        verify_entitlement(root, task, client, said)
    assert caught.value.fault is Party.EDGE_SERVER
