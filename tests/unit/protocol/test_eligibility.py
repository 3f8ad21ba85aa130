"""Who is in a cohort: nobody chooses, everybody can say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, Address
from protocol.incentives.rewards import first_allocation
from protocol.messages.chain import Left, RoundExpired, RoundOpened
from protocol.messages.rosters import RosterPosted, runs_of
from protocol.messages.round import RoundPlan
from protocol.messages.settlement import Allocation
from protocol.round import eligibility
from protocol.round.draw import drawn
from protocol.round.eligibility import check_rostered, cohort_of, rostered
from protocol.round.planning import terms_of
from protocol.task.documents import Kind
from protocol.task.fold import fold
from protocol.task.past import allocation_before
from protocol.task.state import TaskState
from tests.samples import client_address
from tests.unit.protocol.task.told_task import CLIENTS, ToldTask

TOLD = ToldTask()
FIRST, REST = CLIENTS[0], set(CLIENTS[1:])
BEFORE = first_allocation(1, dict.fromkeys(CLIENTS, 2))


def _state(*rosters: tuple[set[Address], set[Address]], left: bool = False) -> TaskState:
    """Before round 1, with what each of some authorities says."""
    events = TOLD.events[:4]
    place: dict[str, Any] = {"block": 90, "log_index": 0, "transaction": bytes(32), "task": 1}
    if left:
        events.append(Left(**place, client=FIRST, signature=bytes(65)))
    for authority, (held, refused) in zip(TOLD.spec.committee.members, rosters, strict=False):
        bits: dict[str, Any] = {"held": runs_of(CLIENTS, held), "refused": runs_of(CLIENTS, refused)}
        events.append(RosterPosted(**place, window=0, authority=authority, **bits))
    return fold(1, events)


ALL: tuple[set[Address], set[Address]] = (set(CLIENTS), set())
SOME: tuple[set[Address], set[Address]] = (REST, set())


@pytest.mark.parametrize(
    ("rosters", "left", "eligible"),
    [
        ((ALL, ALL, ALL), False, set(CLIENTS)),
        ((ALL, ALL), False, set(CLIENTS)),
        ((ALL, ALL, SOME), False, set(CLIENTS)),
        ((ALL, SOME, SOME), False, REST),
        ((ALL,), False, set()),
        ((), False, set()),
        ((ALL, ALL, (REST, {FIRST})), False, REST),
        ((ALL, ALL, ALL), True, REST),
    ],
    ids=["all", "one silent", "two list it", "one lists it", "too few rosters", "none", "one refuses it", "it left"],
)
def test_who_is_eligible(
    rosters: tuple[tuple[set[Address], set[Address]], ...], left: bool, eligible: set[Address]
) -> None:
    """Of a committee in which two of three authorities suffice."""
    state = _state(*rosters, left=left)
    assert rostered(state, TOLD.spec, 1) == eligible
    assert cohort_of(state, TOLD.spec, 1, BEFORE, ZERO_DIGEST) == dict.fromkeys(sorted(eligible), 2)


def test_who_is_below_the_floor_is_not_eligible() -> None:
    before = first_allocation(1, dict.fromkeys(CLIENTS, 2) | {FIRST: TOLD.spec.reputation.floor - 1})
    assert cohort_of(_state(ALL, ALL), TOLD.spec, 1, before, ZERO_DIGEST).keys() == REST


def test_the_rosters_of_a_window_count_in_it_alone() -> None:
    spec = replace(TOLD.spec, cohort=replace(TOLD.spec.cohort, roster_rounds=2))
    state = _state(ALL, ALL)
    assert state.posted is not None
    state = replace(state, posted=replace(state.posted, terms=terms_of(spec)))
    assert rostered(state, spec, 2) == set(CLIENTS)
    assert rostered(state, spec, 3) == frozenset()


def test_a_plan_with_somebody_else_is_refused() -> None:
    plan = TOLD.plans[0]
    check_rostered(_state(ALL, ALL), TOLD.spec, plan)
    with pytest.raises(VerificationError, match="not in the rosters"):
        check_rostered(_state(ALL, SOME), TOLD.spec, plan)


LATE = client_address(7)
BEACON = b"\7" * 32
DRAWN = replace(TOLD.spec, cohort=replace(TOLD.spec.cohort, max_cohort=2))


def test_a_latecomer_is_in_once_it_enrolled_before_the_opening_and_is_rostered() -> None:
    told = ToldTask(roster_rounds=1)
    told.enrol(LATE)  # while round 2 runs
    events, clients = list(told.events), [*CLIENTS, LATE]
    assert rostered(fold(1, events), told.spec, 3) == frozenset()
    told.say(RoundExpired, round=2)
    for authority in told.spec.committee.members:
        bits = runs_of(clients, set(clients))
        told.say(RosterPosted, window=2, authority=authority, held=bits, refused=b"")
    state = told.state()
    assert rostered(state, told.spec, 3) == set(clients)
    before = allocation_before(state, 3)
    assert isinstance(before, Allocation)
    assert cohort_of(state, told.spec, 3, before, ZERO_DIGEST).keys() == set(clients)


def test_nobody_is_in_a_round_that_opened_before_it_enrolled() -> None:
    """A roster that counts on past those who had enrolled names nobody, whoever enrols later."""
    told, everybody = ToldTask(), [*CLIENTS, LATE]
    told.enrol(LATE)
    assert LATE in told.state().enrolled
    assert rostered(told.state(), told.spec, 2) == set(CLIENTS)
    held = runs_of(everybody, set(everybody))
    told.events = [replace(event, held=held) if isinstance(event, RosterPosted) else event for event in told.events]
    assert rostered(told.state(), told.spec, 2) == frozenset()


def test_of_too_many_the_beacon_draws() -> None:
    state = _state(ALL, ALL)
    cohort = cohort_of(state, DRAWN, 1, BEFORE, BEACON)
    assert cohort == dict.fromkeys(sorted(drawn(CLIENTS, 2, BEACON, 1, 1)), 2)
    draws = {frozenset(cohort_of(state, DRAWN, 1, BEFORE, bytes([n]) * 32)) for n in range(40)}
    assert len(draws) == 3, "every pair, sooner or later"
    assert cohort_of(_state(ALL, SOME, SOME), DRAWN, 1, BEFORE, BEACON).keys() == REST, "few are all planned"


def test_who_comes_and_goes_is_left_out_before_the_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eligibility, "restless", lambda *_: frozenset({FIRST}))
    for number in range(40):
        assert cohort_of(_state(ALL, ALL), DRAWN, 1, BEFORE, bytes([number]) * 32).keys() == REST


def _drawn_round(planned: Collection[Address]) -> tuple[TaskState, RoundPlan]:
    """Round 1 of a task that draws, opened with these."""
    told = ToldTask(max_cohort=2)
    told.events = told.events[:7]
    told.plans.clear()
    told.open(1, told.spec.initial_model, dict.fromkeys(planned, 2))
    opened = told.events.pop()
    assert isinstance(opened, RoundOpened)
    told.events.append(replace(opened, beacon=BEACON))
    return told.state(), told.plans[0]


def test_a_phone_derives_the_draw_of_its_cohort() -> None:
    right = drawn(CLIENTS, 2, BEACON, 1, 1)
    for planned in map(set, combinations(CLIENTS, 2)):
        state, plan = _drawn_round(planned)
        if planned == right:
            check_rostered(state, DRAWN, plan)
            continue
        with pytest.raises(VerificationError, match="not the one that was drawn"):
            check_rostered(state, DRAWN, plan)


def test_a_phone_that_cannot_derive_a_draw_takes_those_who_are_rostered() -> None:
    """The reputations of round 1 are in its allocation, which this one did not read."""
    told = ToldTask(max_cohort=2)
    told.spec = replace(told.spec, cohort=replace(told.spec.cohort, max_cohort=2))
    state, plan = told.state(), told.plans[1]
    with pytest.raises(VerificationError, match="drawn"):
        check_rostered(state, told.spec, plan)
    for kind in (Kind.ALLOCATION, Kind.RECORD):
        digest = next(wanted.digest for wanted in state.wanted() if wanted.kind is kind)
        check_rostered(told.state(without=digest), told.spec, plan)


@pytest.mark.parametrize(("least", "planned"), [(2, REST), (3, set(CLIENTS))])
def test_who_comes_and_goes_is_not_planned(least: int, planned: set[Address], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless too few would be left for any round."""
    monkeypatch.setattr(eligibility, "restless", lambda *_: frozenset({FIRST}))
    spec = replace(TOLD.spec, cohort=replace(TOLD.spec.cohort, min_clients=least))
    assert cohort_of(_state(ALL, ALL), spec, 1, BEFORE, ZERO_DIGEST).keys() == planned
