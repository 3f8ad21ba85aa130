"""Who is in a cohort: nobody chooses, everybody can say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.errors import VerificationError
from protocol.identifiers import Address
from protocol.incentives.rewards import first_allocation
from protocol.messages.chain import Left
from protocol.messages.rosters import RosterPosted, bits_of, chosen_by
from protocol.round import eligibility
from protocol.round.eligibility import check_rostered, cohort_of, rostered
from protocol.task.fold import fold
from protocol.task.state import TaskState
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
        bits: dict[str, Any] = {"held": bits_of(CLIENTS, held), "refused": bits_of(CLIENTS, refused)}
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
    assert cohort_of(state, TOLD.spec, 1, BEFORE) == dict.fromkeys(sorted(eligible), 2)


def test_who_is_below_the_floor_is_not_eligible() -> None:
    before = first_allocation(1, dict.fromkeys(CLIENTS, 2) | {FIRST: TOLD.spec.reputation.floor - 1})
    assert cohort_of(_state(ALL, ALL), TOLD.spec, 1, before).keys() == REST


def test_the_rosters_of_a_window_count_in_it_alone() -> None:
    spec = replace(TOLD.spec, cohort=replace(TOLD.spec.cohort, roster_rounds=2))
    state = _state(ALL, ALL)
    assert rostered(state, spec, 2) == set(CLIENTS)
    assert rostered(state, spec, 3) == frozenset()


def test_a_plan_with_somebody_else_is_refused() -> None:
    plan = TOLD.plans[0]
    check_rostered(_state(ALL, ALL), TOLD.spec, plan)
    with pytest.raises(VerificationError, match="not in the rosters"):
        check_rostered(_state(ALL, SOME), TOLD.spec, plan)


def test_bits_are_clients_in_the_order_of_their_enrolment() -> None:
    assert bits_of(CLIENTS, {CLIENTS[0], CLIENTS[2]}) == b"\x05"
    many = [bytes([number]) * 20 for number in range(1, 20)]
    for chosen in (set(many), set(many[:1]), set(many[7:9]), set[Address]()):
        assert len(bits_of(many, chosen)) == 3
        assert chosen_by(many, bits_of(many, chosen)) == chosen
    assert chosen_by(CLIENTS, b"\xff\xff") == set(CLIENTS)


@pytest.mark.parametrize(("least", "planned"), [(2, REST), (3, set(CLIENTS))])
def test_who_comes_and_goes_is_not_planned(least: int, planned: set[Address], monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless too few would be left for any round."""
    monkeypatch.setattr(eligibility, "restless", lambda *_: frozenset({FIRST}))
    spec = replace(TOLD.spec, cohort=replace(TOLD.spec.cohort, min_clients=least))
    assert cohort_of(_state(ALL, ALL), spec, 1, BEFORE).keys() == planned
