"""A state of one client: right in what concerns it, and refused by whatever needs everybody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from protocol.messages.following import concerns
from protocol.round.eligibility import rostered
from protocol.task.ending import is_over
from protocol.task.fold import fold
from protocol.task.past import allocation_before
from protocol.task.state import TaskState
from protocol.task.status import status_of
from tests.unit.protocol.task.told_task import CLIENTS, ToldTask

TOLD = ToldTask()
ME, OTHER = CLIENTS[0], CLIENTS[1]
WHOLE = fold(1, TOLD.events)
MINE = fold(1, (event for event in TOLD.events if concerns(event, ME)), only=ME)
EVERYBODY: dict[str, Callable[[TaskState], object]] = {
    "who is named": lambda state: state.named(1),
    "who is refused": lambda state: state.refused(1),
    "who enrolled before": lambda state: state.enrolled_before(1),
    "who committed": lambda state: state.committed(1),
    "who is rostered": lambda state: rostered(state, TOLD.spec, 1),
    "who is owed what": lambda state: allocation_before(state, 1),
    "the status of the task": lambda state: status_of(state, 0),
}


def test_it_has_the_rounds_and_this_client_alone() -> None:
    assert (MINE.only, WHOLE.only) == (ME, None)
    assert list(MINE.enrolled) == [ME] and MINE.enrolled[ME] == WHOLE.enrolled[ME]
    assert not MINE.rosters and not MINE.misfits and MINE.posted == WHOLE.posted
    assert [facts.opened for facts in MINE.rounds] == [facts.opened for facts in WHOLE.rounds]
    assert [facts.state for facts in MINE.rounds] == [facts.state for facts in WHOLE.rounds]
    directs = [facts.directs.keys() & {ME} for facts in WHOLE.rounds]
    assert [facts.directs.keys() for facts in MINE.rounds] == directs


@pytest.mark.parametrize("asked", EVERYBODY)
def test_what_needs_everybody_refuses_it(asked: str) -> None:
    EVERYBODY[asked](WHOLE)
    with pytest.raises(AssertionError, match="one client does not know the others"):
        EVERYBODY[asked](MINE)


@pytest.mark.parametrize(("counted", "over"), [(None, False), (1, True), (2, True), (3, False)])
def test_too_few_are_known_by_the_ledger_s_count(counted: int | None, over: bool) -> None:
    """Its own enrolment says nothing of how many there are."""
    state = replace(MINE, rounds=(), counted=counted)
    assert state.posted is not None
    terms = replace(state.posted.terms, min_clients=3)
    state = replace(state, posted=replace(state.posted, terms=terms))
    assert not is_over(state, state.enrol_until)
    assert is_over(state, state.enrol_until + 1) is over


def test_where_a_round_was_opened_enough_had_enrolled() -> None:
    state = replace(MINE, counted=0)
    assert not is_over(state, state.enrol_until + 1)
