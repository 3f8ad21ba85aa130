"""What a verdict is told of the model's last step, and of what earlier verdicts found of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.identifiers import sha256
from protocol.messages.screening import ScreeningVerdict, StepSum
from protocol.round.screening_request import making_round
from protocol.round.screening_verdict import step_noise, steps_before
from protocol.round.update_noise import update_noise
from protocol.task.documents import UnderivableError
from tests.unit.protocol.task.told_task import CLIENTS, ToldTask

TOLD = ToldTask()
SUMS = tuple(StepSum(client, 5, 9, 2) for client in CLIENTS)
VERDICT = ScreeningVerdict(sha256(b"l"), sha256(b"r"), (), (), (), True, (), (), (), 0, SUMS)


def test_the_step_of_the_plan_s_model_is_a_mean_of_three() -> None:
    state = TOLD.state()
    assert (making_round(state, 1), making_round(state, 2)) == (None, 1)
    assert step_noise(state, TOLD.spec, 1) == 0
    assert step_noise(state, TOLD.spec, 2) == update_noise(TOLD.spec, TOLD.plans[0]) // 3 > 0


def test_noise_that_is_taken_back_in_the_next_round_tells_no_copy() -> None:
    state, plan = TOLD.state(), TOLD.plans[0]
    mechanism = replace(plan.learning.mechanism, kind="correlated")
    changed: Any = replace(plan, learning=replace(plan.learning, mechanism=mechanism))
    documents = {key: changed if found == plan else found for key, found in state.documents.items()}
    assert step_noise(replace(state, documents=documents), TOLD.spec, 2) == 0


def test_sums_are_the_last_verdict_s_and_those_of_who_left_are_gone() -> None:
    state = TOLD.state()
    with pytest.raises(UnderivableError):
        steps_before(state, 2)
    assert steps_before(replace(state, screened={1: None}), 2) == ()
    state = replace(state, screened={1: VERDICT, 2: None})
    assert steps_before(state, 3) == SUMS
    assert steps_before(replace(state, left={CLIENTS[0]: 2}), 3) == SUMS[1:]
    assert steps_before(replace(state, left={CLIENTS[0]: 3}), 3) == SUMS
