"""What a screened round pays, and what it does to reputations: by openings, exact and within the pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identifiers import Address
from protocol.incentives.contribution import Progress, contribution_pool
from protocol.incentives.reputation import after_round
from protocol.incentives.rewards import first_allocation, settle, total_owed
from protocol.messages.screening import GRAM, HISTORY, NORM, RULE, ClientShare, ScreeningVerdict
from protocol.messages.screening_terms import ALIGNMENT, FOOLSGOLD, KRUM, ScreeningTerms
from protocol.messages.settlement import (
    CORRUPT,
    LEVEL,
    MALFORMED,
    PROBATION,
    UNAVAILABLE,
    Allocation,
    Rejection,
    Verdict,
)
from protocol.messages.task import DepositTerms, ReputationTerms, RewardTerms, TaskSpec
from protocol.screening.contribution import contribution_shares
from tests.samples import client_address, sample_spec

CLIENTS = tuple(sorted(client_address(i) for i in range(8)))
A, B, C, D = CLIENTS[:4]
REWARDS = RewardTerms(participation=599, contribution=400, target_gain_ppm=100_000)
WHOLE = Progress(20, 30, 100)  # releases all of it


def _spec(rule: str = FOOLSGOLD, rewards: RewardTerms = REWARDS) -> TaskSpec:
    """Whose server is good for what it promises."""
    screening = ScreeningTerms(rule, norm_bound=100, clip=50, window=10)
    return sample_spec(rewards=rewards, screening=screening, deposits=DepositTerms(edge_server=2**100))


def _screened(shares: Mapping[Address, tuple[int, int]], **given: Any) -> ScreeningVerdict:
    listed = tuple(ClientShare(client, *parts) for client, parts in sorted(shares.items()))
    empty = ScreeningVerdict(bytes(32), bytes(32), (), tuple(sorted(shares)), (), True, (), listed, (), 5)
    return replace(empty, **given)


def _accepting(*clients: Address, **rejected: Address) -> Verdict:
    out = sorted((client, reason) for reason, client in rejected.items())
    return Verdict(bytes(32), tuple(sorted(clients)), tuple(Rejection(*one) for one in out))


def _earned(allocation: Allocation) -> dict[Address, int]:
    return {entry.client: entry.cumulative for entry in allocation.entitlements}


@pytest.mark.parametrize(
    ("rule", "stated", "paid"),
    [
        (ALIGNMENT, True, (720, 80)),
        (ALIGNMENT, False, (200, 600)),  # of histories alone, nothing is known
        (FOOLSGOLD, True, (200, 600)),  # data are not alike
        (KRUM, True, (200, 600)),
    ],
)
def test_shares_follow_alignment_where_that_is_the_rule_and_says_something(
    rule: str, stated: bool, paid: tuple[int, int]
) -> None:
    found = _screened({A: (900_000, 250_000), B: (100_000, 750_000)}, stated=stated)
    after = settle(_spec(rule), first_allocation(1, {A: 2, B: 5}), 1, _accepting(A, B), WHOLE, {}, found)
    assert _earned(after) == {A: 599 + paid[0], B: 599 + paid[1]}, "reputations play no part"


def test_alignment_that_knows_nobody_falls_back_on_the_sum() -> None:
    found = _screened({A: (0, 250_000), B: (0, 750_000)})
    after = settle(_spec(ALIGNMENT), first_allocation(1, {A: 2, B: 5}), 1, _accepting(A, B), WHOLE, {}, found)
    assert _earned(after) == {A: 599 + 200, B: 599 + 600}


def test_honest_clients_with_unequal_shares_get_the_whole_pool() -> None:
    """One of them more than a whole contribution: what others contributed less is not lost."""
    found = _screened({A: (0, 700_000), B: (0, 200_000), C: (0, 100_000)})
    after = settle(_spec(), first_allocation(1, dict.fromkeys([A, B, C], 2)), 1, _accepting(A, B, C), WHOLE, {}, found)
    assert _earned(after) == {A: 599 + 840, B: 599 + 240, C: 599 + 120}
    assert total_owed(after) == 3 * (599 + 400)


def test_no_model_no_contribution_and_a_better_one_by_its_gain() -> None:
    start, found = first_allocation(1, {A: 2, B: 5}), _screened({A: (0, 500_000), B: (0, 500_000)})
    for progress, share in ((None, 0), (Progress(20, 20, 100), 0), (Progress(20, 25, 100), 200), (WHOLE, 400)):
        after = settle(_spec(), start, 1, _accepting(A, B), progress, {}, found)
        assert _earned(after) == {A: 599 + share, B: 599 + share}


def test_probation_pays_whoever_came_and_a_level_of_0_nobody() -> None:
    """And an unscreened round of the same task pays by weight."""
    start = first_allocation(1, dict.fromkeys([A, B, C, D], 5))
    after = settle(_spec(), start, 1, _accepting(probation=A, level=B, norm=C), None, {}, _screened({}))
    assert _earned(after) == {A: 599, B: 0, C: 0, D: 0}
    unscreened = settle(_spec(), start, 1, _accepting(A, B, level=C), WHOLE, {})
    assert _earned(unscreened) == {A: 999, B: 999, C: 0, D: 0}


def test_a_share_of_who_has_no_leaf_or_is_not_accepted_is_paid_to_nobody() -> None:
    found = _screened({A: (0, 500_000), B: (0, 500_000)})
    after = settle(_spec(), first_allocation(1, {A: 2}), 1, _accepting(A, B), WHOLE, {}, found)
    assert _earned(after) == {A: 599 + 400}
    fewer = settle(_spec(), first_allocation(1, {A: 2, B: 2}), 1, _accepting(A), WHOLE, {}, found)
    assert _earned(fewer) == {A: 599 + 200, B: 0}


TERMS = ReputationTerms(initial=4, floor=2, maximum=5, waiting_rounds=2)
MOVES = {
    NORM: 3, GRAM: 3, HISTORY: 3, RULE: 3, MALFORMED: 3, PROBATION: 4, LEVEL: 4, UNAVAILABLE: 4, CORRUPT: 4,
}  # fmt: skip


@pytest.mark.parametrize("reason", MOVES)
def test_what_openings_show_costs_a_point_and_what_is_nobodys_fault_none(reason: str) -> None:
    verdict = _accepting(B, **{reason: A})
    after = after_round({A: 4, B: 4, C: 4}, verdict, TERMS, _screened({}))
    assert after == {A: MOVES[reason], B: 5, C: 4}
    unscreened = after_round({A: 4, B: 4, C: 4}, verdict, TERMS)
    assert unscreened[A] == (3 if reason == MALFORMED else 4), "without openings they show nothing"


def test_a_free_rider_neither_rises_nor_falls_and_one_that_is_rejected_falls() -> None:
    found = _screened({}, idle=(A, B))
    assert after_round({A: 4, B: 4, C: 4}, _accepting(A, C, rule=B), TERMS, found) == {A: 4, B: 3, C: 5}


parts = st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=len(CLIENTS))
counts = st.integers(1, 10_000).flatmap(
    lambda examples: st.builds(Progress, st.integers(0, examples), st.integers(0, examples), st.just(examples))
)
terms = st.builds(RewardTerms, st.integers(0, 2**90), st.integers(0, 2**90), st.integers(1, 1_000_000))


@given(parts, parts, st.sampled_from([ALIGNMENT, FOOLSGOLD, KRUM]), st.booleans(), counts, terms, st.data())
def test_contributions_are_within_the_pool_and_all_of_it_but_the_roundings(
    aligned: list[int],
    projected: list[int],
    rule: str,
    stated: bool,
    progress: Progress,
    rewards: RewardTerms,
    data: st.DataObject,
) -> None:
    """Whatever the scores: integers, nobody owes, and what the contract takes at most is enough."""
    count = min(len(aligned), len(projected))
    names, spec = CLIENTS[:count], _spec(rule, rewards)
    idle = data.draw(st.sets(st.sampled_from(names)))
    scores = [dict(zip(names, one, strict=False)) for one in (aligned, projected)]
    shares = contribution_shares(names, idle, *scores)
    found = replace(_screened({}), shares=shares, stated=stated, idle=tuple(sorted(idle)), accepted=names)
    start = first_allocation(1, dict.fromkeys(names, 2))
    after = _earned(settle(spec, start, 1, _accepting(*names), progress, {}, found))
    assert all(type(amount) is int and amount >= rewards.participation for amount in after.values())
    divided = sum(after.values()) - count * rewards.participation
    pool = contribution_pool(count - len(idle), progress, rewards)
    assert 0 <= divided <= pool <= count * rewards.contribution
    assert all(after[client] == rewards.participation for client in idle)
    if any(share.projected_ppm for share in shares):
        # each share lost less than a millionth, and each payment less than a unit
        assert pool - divided < count * (Fraction(pool, 10**6) + 1)
