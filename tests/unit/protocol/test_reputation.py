"""The rule table of reputation, row by row, and what any sequence of verdicts keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.canonical import decode, encode
from protocol.errors import MalformedError, Party
from protocol.incentives.reputation import (
    RULES,
    Level,
    Mark,
    after_round,
    eligible,
    next_reputation,
    reachable,
    weight_of,
)
from protocol.messages.settlement import CORRUPT, MALFORMED, UNAVAILABLE, Rejection, Verdict
from protocol.messages.task import ReputationTerms, TaskSpec
from tests.samples import client_address, sample_spec

TERMS = ReputationTerms(initial=2, floor=3, maximum=5, waiting_rounds=2)
A, B, C, D, E = (client_address(i) for i in range(5))

# One line for each row of the rule table (and for the maximum): before, mark, after.
TABLE = {
    (Level.WAITING, Mark.GOOD): (1, 2),
    (Level.WAITING, Mark.BAD): (1, 2),
    (Level.WAITING, Mark.NONE): (1, 2),
    (Level.AT_FLOOR, Mark.GOOD): (3, 4),
    (Level.AT_FLOOR, Mark.BAD): (3, 1),
    (Level.AT_FLOOR, Mark.NONE): (3, 3),
    (Level.ABOVE, Mark.GOOD): (4, 5),
    (Level.ABOVE, Mark.BAD): (5, 4),
    (Level.ABOVE, Mark.NONE): (5, 5),
}


@pytest.mark.parametrize("row", RULES, ids=lambda row: f"{row[0].name} {row[1].name}")
def test_every_row_of_the_table(row: tuple[Level, Mark]) -> None:
    before, after = TABLE[row]
    assert next_reputation(before, TERMS, row[1]) == after


def test_the_table_is_complete() -> None:
    assert set(RULES) == set(TABLE) == {(standing, mark) for standing in Level for mark in Mark}


def test_the_maximum_holds_and_a_reputation_from_elsewhere_counts_up_to_it() -> None:
    assert [next_reputation(r, TERMS, Mark.GOOD) for r in (5, 9, 255)] == [5, 5, 5]
    assert [next_reputation(255, TERMS, mark) for mark in (Mark.NONE, Mark.BAD)] == [5, 4]
    assert [weight_of(r, TERMS) for r in (3, 5, 255)] == [3, 5, 5]


def test_what_rounds_can_make_of_a_reputation() -> None:
    terms = ReputationTerms(initial=3, floor=2, maximum=5, waiting_rounds=2)
    assert reachable(3, terms, 0) == {3}
    assert reachable(3, terms, 1) == {2, 3, 4}
    assert reachable(3, terms, 2) == {0, 2, 3, 4, 5}, "at the floor a bad mark expels"
    assert reachable(3, terms, 50) == {0, 1, 2, 3, 4, 5}


def test_marks_come_from_what_an_outsider_can_check() -> None:
    rejected = (Rejection(B, MALFORMED), Rejection(C, CORRUPT), Rejection(D, UNAVAILABLE))
    after = after_round(dict.fromkeys([A, B, C, D, E], 4), Verdict(bytes(32), (A,), rejected), TERMS)
    assert after == {A: 5, B: 3, C: 4, D: 4, E: 4}


@pytest.mark.parametrize(
    "change", [{"floor": 6}, {"floor": 1}, {"initial": 6}, {"waiting_rounds": 4}], ids=lambda change: str(change)
)
def test_terms_that_contradict_each_other_are_the_manufacturers_fault(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as raised:
        replace(TERMS, **change)
    assert raised.value.fault is Party.MANUFACTURER


def test_such_terms_cannot_be_decoded_either() -> None:
    spec = sample_spec(reputation=TERMS)
    with pytest.raises(MalformedError):
        decode(TaskSpec, encode(spec).replace(b'"floor":3', b'"floor":6'))


@given(st.integers(1, 255), st.data())
def test_a_bad_mark_at_the_floor_costs_exactly_the_waiting_period(maximum: int, data: st.DataObject) -> None:
    floor = data.draw(st.integers(1, maximum))
    waiting = data.draw(st.integers(1, floor))
    terms = ReputationTerms(initial=floor, floor=floor, maximum=maximum, waiting_rounds=waiting)
    reputation, waited = next_reputation(floor, terms, Mark.BAD), 0
    while not eligible(reputation, terms):
        reputation, waited = next_reputation(reputation, terms, data.draw(st.sampled_from(Mark))), waited + 1
    assert (reputation, waited) == (floor, waiting)


class OneClient(RuleBasedStateMachine):
    """One address through any rounds. Below the floor it is not planned, so only waiting helps it."""

    @initialize(numbers=st.lists(st.integers(1, 255), min_size=3, max_size=3).map(sorted), standing=st.integers(0, 255))
    def enrol(self, numbers: list[int], standing: int) -> None:
        waiting, floor, maximum = numbers
        self.terms = ReputationTerms(initial=floor, floor=floor, maximum=maximum, waiting_rounds=waiting)
        self.reputation = weight_of(standing, self.terms)
        self.below_for = 0

    @rule(mark=st.sampled_from(Mark))
    def one_round(self, mark: Mark) -> None:
        before, planned = self.reputation, eligible(self.reputation, self.terms)
        self.reputation = next_reputation(before, self.terms, mark if planned else Mark.NONE)
        if not planned:
            self.below_for += 1
            assert self.reputation == before + 1
        elif mark is Mark.BAD:
            assert self.reputation < before
            self.below_for = 0
        elif mark is Mark.GOOD:
            assert self.reputation == min(before + 1, self.terms.maximum)
        else:
            assert self.reputation == before
        if not planned and eligible(self.reputation, self.terms):
            assert self.reputation == self.terms.floor  # whoever waited starts again at the floor

    @invariant()
    def bounded(self) -> None:
        if hasattr(self, "terms"):
            assert 0 <= self.reputation <= self.terms.maximum


TestOneClient = OneClient.TestCase
