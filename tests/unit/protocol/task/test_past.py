"""What a round goes on from: the last model that moved, and an allocation with everybody who enrolled by then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import VerificationError
from protocol.identifiers import Digest
from protocol.messages.chain import RoundPublished
from protocol.messages.settlement import Allocation
from protocol.task.continuation import continuation
from protocol.task.documents import Absent
from protocol.task.fold import fold
from protocol.task.past import allocation_before, past_before, stepped
from protocol.task.state import TaskState
from tests.samples import client_address
from tests.unit.protocol.task.told_task import CLIENTS, ToldTask

LATE = client_address(7)


def _published(model: Digest) -> TaskState:
    """Round 2 is published with this model, whatever its documents say."""
    told = ToldTask()
    told.commit(2, CLIENTS, [])
    told.publish(2)
    state, last = told.state(), told.events[-1]
    assert isinstance(last, RoundPublished)
    return replace(fold(1, [*told.events[:-1], replace(last, model=model)]), documents=state.documents)


TOLD = ToldTask()
MODEL, INITIAL = TOLD.model, TOLD.spec.initial_model


@pytest.mark.parametrize(("model", "moved"), [(b"\5" * 32, True), (MODEL, False), (INITIAL, False)])
def test_a_round_steps_only_to_a_model_that_nobody_published(model: Digest, moved: bool) -> None:
    state = _published(model)
    assert stepped(state, 1) is not None
    assert (stepped(state, 2) is not None) is moved


def test_after_garbage_a_task_goes_on_from_the_round_before() -> None:
    state = _published(MODEL)
    past = past_before(state, 3)
    assert not isinstance(past, Absent)
    assert (past.model, past.previous_label) == (MODEL, state.rounds[1].opened.label)


def test_a_plan_after_garbage_skips_nothing() -> None:
    state = _published(MODEL)
    third = replace(state.rounds[1], opened=replace(state.rounds[1].opened, round=3))
    state = replace(state, rounds=(*state.rounds, third))
    assert continuation(state, TOLD.spec, 3, MODEL).number == 1
    with pytest.raises(VerificationError, match="skips round 1"):
        continuation(state, TOLD.spec, 3, INITIAL)


def test_a_latecomer_is_listed_from_the_round_that_opens_after_it_enrolled() -> None:
    told = ToldTask()
    told.enrol(LATE)  # round 2 is open
    state = told.state()
    assert list(state.enrolled_before(1)) == list(state.enrolled_before(2)) == CLIENTS
    assert list(state.enrolled_before(3)) == [*CLIENTS, LATE]
    running, coming = allocation_before(state, 2), allocation_before(state, 3)
    assert isinstance(running, Allocation) and isinstance(coming, Allocation)
    earned = {entry.client: (entry.cumulative, entry.reputation) for entry in running.entitlements}
    assert {entry.client: (entry.cumulative, entry.reputation) for entry in coming.entitlements} == {
        **earned, LATE: (0, 2),
    }  # fmt: skip
    assert [entry.client for entry in coming.entitlements] == sorted({*earned, LATE})
    assert LATE not in state.named(3)


def test_a_server_that_enrols_later_keeps_its_fees() -> None:
    told = ToldTask()
    edge = told.spec.edge_server
    told.enrol(edge)
    allocation = allocation_before(told.state(), 3)
    assert isinstance(allocation, Allocation)
    leaf = next(entry for entry in allocation.entitlements if entry.client == edge)
    assert (leaf.cumulative, leaf.reputation) == (told.spec.rewards.edge_fee, 2)
