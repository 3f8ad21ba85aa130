"""When a task is over: the contract's rule, the same from a view and from events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.messages.chain import Enrolled, RoundOpened, TaskPosted, TaskView
from protocol.task.ending import is_over, task_over
from protocol.task.fold import fold
from protocol.task.state import TaskState
from tests.unit.protocol.task.told_task import ToldTask

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


def test_what_is_not_posted_is_not_over() -> None:
    assert not is_over(TaskState(1), 2**40)
