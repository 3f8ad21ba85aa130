"""What an address brings from task to task.

given an address of which the ledger knows nothing
    should enter at the task's initial reputation and be believed up to the floor
given a standing
    when a leaf is lower
        should take it whole
    when a leaf is higher
        should gain one, once a waiting period has passed since the last change
    when it is below the floor
        should gain one in each waiting period by itself, and none of them twice
given a task that does not take the giver's word
    should count the standing as none, and one below the floor all the same
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.incentives.standing import NO_STANDING, Counted, admitted, counted, settled
from protocol.messages.chain import LedgerRules, Standing

RULES = LedgerRules(maximum=9, floor=3, waiting_seconds=100, claim_seconds=0)
NOW, TASK, ELSEWHERE = 10_000, 7, 4


def after(standing: Standing, leaf: int, now: int, is_listed: bool = True) -> Standing:
    return settled(standing, counted(standing, is_listed, RULES, now), leaf, TASK, RULES, now)


@pytest.mark.parametrize(("leaf", "expected"), [(0, 0), (2, 2), (3, 3), (9, 3)])
def test_a_first_leaf_is_believed_up_to_the_floor(leaf: int, expected: int) -> None:
    assert after(NO_STANDING, leaf, NOW) == Standing(expected, NOW, 0, TASK)
    assert admitted(counted(NO_STANDING, True, RULES, NOW), 5, RULES) == 5


def test_a_loss_is_whole_and_at_once() -> None:
    assert after(Standing(8, NOW, 0, ELSEWHERE), 1, NOW) == Standing(1, NOW, 0, ELSEWHERE)


@pytest.mark.parametrize(("waited", "expected"), [(0, 5), (99, 5), (100, 6), (900, 6)])
def test_a_gain_is_of_one_after_a_whole_period(waited: int, expected: int) -> None:
    gained = after(Standing(5, NOW, 0, ELSEWHERE), 9, NOW + waited)
    assert gained.reputation == expected
    assert (gained.since, gained.source) == ((NOW + waited, TASK) if expected == 6 else (NOW, ELSEWHERE))


def test_waiting_counts_no_second_twice() -> None:
    low = Standing(1, NOW, 0, ELSEWHERE)
    assert counted(low, True, RULES, NOW + 199) == Counted(True, 2, NOW + 100)
    assert after(low, 9, NOW + 199) == Standing(2, NOW + 100, 0, ELSEWHERE)
    assert after(low, 9, NOW + 299) == Standing(3, NOW + 200, 0, ELSEWHERE)
    assert after(low, 9, NOW + 300) == Standing(4, NOW + 300, 0, TASK)


@pytest.mark.parametrize(
    ("reputation", "initial", "worth"), [(8, 5, 5), (8, 0, 0), (3, 1, 1), (2, 4, 2), (2, 1, 1), (0, 0, 0)]
)
def test_a_standing_from_elsewhere(reputation: int, initial: int, worth: int) -> None:
    standing = counted(Standing(reputation, NOW, 0, ELSEWHERE), False, RULES, NOW)
    assert admitted(standing, initial, RULES) == worth
    assert admitted(counted(Standing(reputation, NOW, 0, ELSEWHERE), True, RULES, NOW), initial, RULES) == reputation


def test_what_was_bought_elsewhere_is_believed_as_of_a_fresh_address() -> None:
    bought = Standing(9, NOW - 500, 0, ELSEWHERE)
    assert after(bought, 9, NOW, is_listed=False) == after(NO_STANDING, 9, NOW)
    waited = Standing(1, NOW - 900, 0, ELSEWHERE)
    assert after(waited, 9, NOW, is_listed=False) == after(NO_STANDING, 9, NOW)


@given(st.lists(st.tuples(st.integers(0, 250), st.integers(0, 9), st.booleans()), max_size=20))
def test_no_course_of_leaves_outruns_time(course: list[tuple[int, int, bool]]) -> None:
    standing, now = NO_STANDING, NOW
    for seconds, leaf, is_listed in course:
        now += seconds
        standing = after(standing, leaf, now, is_listed)
        assert standing.reputation <= RULES.floor + (now - NOW) // RULES.waiting_seconds
        assert standing.since <= now
