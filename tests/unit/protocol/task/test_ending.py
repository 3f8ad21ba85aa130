"""When a task is over: the contract's rule, the same from a view and from events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.identifiers import Address
from protocol.messages.chain import (
    BondForfeited,
    CohortDrawn,
    DrawLapsed,
    Enrolled,
    EnrolmentFull,
    Event,
    RoundExpired,
    RoundOpened,
    TaskPosted,
    TaskView,
)
from protocol.task.acting import rosters_until
from protocol.task.ending import is_over, task_over
from protocol.task.fold import fold
from protocol.task.state import TaskState
from tests.unit.protocol.task.told_task import ToldTask, event_of

TOLD = ToldTask()
POSTED = next(event for event in TOLD.events if isinstance(event, TaskPosted))


@pytest.mark.parametrize(
    ("rounds", "enrolled", "now", "over"),
    [
        (3, 3, 10, False),
        (2, 3, 10, True),  # as many as were opened
        (3, 3, POSTED.task_until, False),
        (3, 3, POSTED.task_until + 1, True),
        (3, 1, POSTED.enrol_until, False),
        (3, 1, POSTED.enrol_until + 1, True),  # too few can ever enrol
    ],
)
def test_is_over(rounds: int, enrolled: int, now: int, over: bool) -> None:
    posted = replace(POSTED, terms=replace(POSTED.terms, rounds=rounds))
    entered = [event for event in TOLD.events if isinstance(event, Enrolled)][:enrolled]
    rest = [event for event in TOLD.events if not isinstance(event, TaskPosted | Enrolled)]
    state = fold(1, [posted, *entered, *rest])
    assert is_over(state, now) is over
    zeros = dict.fromkeys(TaskView.__dataclass_fields__, 0)
    opened = [event for event in TOLD.events if isinstance(event, RoundOpened)]
    view = replace(
        TaskView(**zeros),  # type: ignore[arg-type]
        rounds=rounds,
        last_round=len(opened),
        enrolled=enrolled,
        min_clients=POSTED.terms.min_clients,
        enrol_until=POSTED.enrol_until,
        task_until=POSTED.task_until,
    )
    assert task_over(view, now) is over


def _lost(holder: Address) -> Event:
    return event_of(BondForfeited, holder=holder, reporter=bytes(20), amount=1, share=0)


SERVERS, AUTHORITIES = POSTED.terms.edge_servers, POSTED.terms.authorities
LAPSE = (event_of(CohortDrawn, round=3, drawn_at=100), event_of(DrawLapsed, round=3))


@pytest.mark.parametrize(
    ("events", "stopped", "over"),
    [
        ((_lost(SERVERS[0]),), False, False),
        (tuple(map(_lost, SERVERS)), True, True),
        ((_lost(AUTHORITIES[0]),), False, False),
        (tuple(map(_lost, AUTHORITIES[:2])), True, True),  # one is left where two are needed
        (LAPSE, False, True),  # its last round
        (LAPSE[:1], False, False),
    ],
    ids=["one server", "no server", "one authority", "too few authorities", "a lapsed draw", "a draw"],
)
def test_a_task_may_stop_before_its_last_round(events: tuple[Event, ...], stopped: bool, over: bool) -> None:
    state = fold(1, [*TOLD.events, event_of(RoundExpired, round=2), *events])
    assert (state.stopped, is_over(state, 10), state.misfits) == (stopped, over, ())
    zeros: dict[str, Any] = dict.fromkeys(TaskView.__dataclass_fields__, 0)
    view = TaskView(**zeros)
    view = replace(view, rounds=state.total_rounds, last_round=2, stopped=stopped, enrol_until=600, task_until=600)
    assert task_over(view, 10) is over


def test_a_full_task_waits_for_nobody() -> None:
    full = event_of(EnrolmentFull, enrolled=3, enrol_until=40)
    state = fold(1, [*TOLD.events[:4], full])
    assert state.enrol_until == 40
    assert rosters_until(state) == 40 + POSTED.terms.roster_seconds
    assert fold(1, TOLD.events[:4]).enrol_until == POSTED.enrol_until


def test_what_is_not_posted_is_not_over() -> None:
    assert not is_over(TaskState(1), 2**40)
