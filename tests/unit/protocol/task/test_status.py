"""The one view of a task: complete, the same after its JSON form, and honest about what nobody can read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from protocol.canonical import decode, encode
from protocol.identifiers import ZERO_DIGEST
from protocol.messages.chain import (
    BondForfeited,
    Claimed,
    CohortDrawn,
    Compensated,
    DrawLapsed,
    Refunded,
    RoundExpired,
    RoundFrozen,
)
from protocol.privacy.spending import spent
from protocol.task.documents import Kind
from protocol.task.fold import BlockMined, apply, fold
from protocol.task.state import TaskState
from protocol.task.status import MAX_STATUS_BYTES, TaskStatus, status_of
from tests.unit.protocol.task.told_task import CLIENTS, KINDS, MANUFACTURER, ToldTask

NOW = 1_500


@cache
def told_task() -> ToldTask:
    return ToldTask()


@pytest.fixture
def told() -> ToldTask:
    return told_task()


def test_what_is_told_of_a_task(told: ToldTask) -> None:
    status = status_of(told.state(), NOW)
    assert (status.task, status.state, status.title, status.now) == (1, "running", told.spec.title, NOW)
    assert (status.manufacturer, status.edge_server) == (MANUFACTURER, told.spec.edge_server)
    assert (status.enrolled, status.left, status.max_clients, status.max_rounds) == (3, 0, 5, told.spec.rounds)
    assert (status.enrol_until, status.task_until, status.claim_until) == (600, 86_400, 172_800)
    assert (status.escrow, status.claimed, status.refunded) == (told.spec.budget(), 0, 0)
    assert status.charge == (spent({told.spec.learning.mechanism: 1}, told.spec.learning, told.spec.privacy),)
    assert status.epsilon == status.charge[0].epsilon
    assert status.lacking == ()


def test_what_is_told_of_its_rounds(told: ToldTask) -> None:
    first, second = status_of(told.state(), NOW).rounds
    assert (first.round, first.state, first.over) == (1, "published", True)
    assert (first.cohort, first.committed, first.accepted, first.rejected) == (3, 3, 3, ())
    assert (first.correct, first.examples, first.accuracy, first.model) == (1, 4, 0.25, told.model)
    assert (
        first.epsilon_micro
        == spent({told.spec.learning.mechanism: 1}, told.spec.learning, told.spec.privacy).epsilon_micro
    )
    assert (second.round, second.state, second.over, second.accuracy) == (2, "open", False, None)
    assert (second.commit_until, second.settle_until, second.committed) == (2_300, 2_600, 0)
    assert second.model == ZERO_DIGEST


def test_its_json_form_is_read_back(told: ToldTask) -> None:
    status = status_of(told.state(), NOW)
    measured = replace(status.rounds[0], milliseconds={"aggregate": 12, "commit": 3_400})
    status = replace(status, rounds=(measured, *status.rounds[1:]))
    assert decode(TaskStatus, encode(status), MAX_STATUS_BYTES) == status


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
def test_a_document_that_nobody_can_read_is_named_with_its_keeper(told: ToldTask, kind: Kind) -> None:
    wanted = next(entry for entry in told.state().wanted() if entry.kind is kind)
    status = status_of(told.state(without=wanted.digest), NOW)
    lacking = status.lacking if kind is Kind.SPEC else status.rounds[0].lacking
    assert (kind.value, "missing", wanted.keeper) in {(one.document, one.lack, one.keeper) for one in lacking}
    assert (status.rounds[0].state, status.rounds[0].accuracy, status.rounds[0].committed) == ("published", 0.25, 3)
    assert encode(status)


def test_without_any_document_the_chain_alone_is_told(told: ToldTask) -> None:
    status = status_of(fold(1, told.events), NOW)
    assert (status.title, status.charge, status.rounds[0].accepted) == ("", (), 0)
    assert (status.rounds[0].state, status.rounds[0].model, status.escrow) == (
        "published", told.model, told.spec.budget(),
    )  # fmt: skip
    assert encode(status)


def test_what_was_allocated_is_payable_once_no_dispute_can_void_it(told: ToldTask) -> None:
    state = told.state()
    settled = state.rounds[0].settled
    assert settled is not None
    assert (status_of(state, NOW).allocated, status_of(state, NOW).payable) == (settled.allocated, 0)
    state = fold(1, [*told.events, BlockMined(settled.block, 1_000)])
    dispute = told.spec.durations.dispute_seconds
    assert status_of(state, 1_000 + dispute - 1).payable == 0
    assert status_of(state, 1_000 + dispute).payable == settled.allocated


def _and(told: ToldTask, kind: type, **fields: object) -> TaskState:
    block = len(told.events) + 1
    return fold(1, [*told.events, kind(block=block, log_index=0, transaction=ZERO_DIGEST, task=1, **fields)])


def test_claims_and_refunds_add_up(told: ToldTask) -> None:
    claim = {"amount": 7, "cumulative": 9, "reputation": 3, "freed": False}
    assert status_of(_and(told, Claimed, client=CLIENTS[0], **claim), NOW).claimed == 9
    assert status_of(_and(told, Refunded, manufacturer=MANUFACTURER, amount=5), NOW).refunded == 5


def test_rounds_end_in_other_ways_too(told: ToldTask) -> None:
    assert status_of(_and(told, RoundExpired, round=2), NOW).rounds[1].state == "expired"
    frozen = status_of(_and(told, RoundFrozen, round=1, culprit=bytes(20)), NOW)
    assert (frozen.rounds[0].state, frozen.allocated) == ("frozen", 0)


def test_a_round_that_is_not_published_says_what_it_owes_each_client(told: ToldTask) -> None:
    end = RoundExpired(block=98, log_index=0, transaction=ZERO_DIGEST, task=1, round=2)
    expired = apply(told.state(), end)
    first, second = status_of(expired, NOW).rounds
    assert (first.compensation, second.compensation) == (0, told.spec.rewards.participation)
    assert (first.outcome, second.outcome) == ("published", "")
    paid = Compensated(block=99, log_index=0, transaction=ZERO_DIGEST, task=1, round=2, client=CLIENTS[0], amount=599)
    assert status_of(apply(expired, paid), NOW).compensated == 599


def test_a_task_ends_with_its_last_round(told: ToldTask) -> None:
    expired = _and(told, RoundExpired, round=2)
    assert status_of(expired, NOW).state == "running"
    assert status_of(expired, 86_401).state == "ended"
    assert status_of(told.state(), 86_401).state == "running"  # its second round still is
    assert status_of(fold(1, told.events[:4]), NOW).state == "enrolling"


def test_a_task_that_lost_its_servers_is_stopped_once_no_round_runs(told: ToldTask) -> None:
    """With a round that still runs it is not: that one may be compensated, or published by nobody else."""
    running = told.state()
    for block, server in enumerate(told.spec.edge_servers, start=90):
        lost = BondForfeited(
            block=block, log_index=0, transaction=ZERO_DIGEST, task=1, holder=server, reporter=bytes(20), amount=1,
            share=0,
        )  # fmt: skip
        running = apply(running, lost)
    assert status_of(running, NOW).state == "running"
    ended = apply(running, RoundExpired(block=99, log_index=0, transaction=ZERO_DIGEST, task=1, round=2))
    assert status_of(ended, NOW).state == "stopped"


def test_a_draw_is_told_until_its_round_opens(told: ToldTask) -> None:
    expired = _and(told, RoundExpired, round=2)
    assert status_of(expired, NOW).drawn_at == 0
    draw = CohortDrawn(block=98, log_index=0, transaction=ZERO_DIGEST, task=1, round=3, drawn_at=77)
    assert status_of(apply(expired, draw), NOW).drawn_at == 77
    lapsed = DrawLapsed(block=99, log_index=0, transaction=ZERO_DIGEST, task=1, round=3)
    status = status_of(apply(apply(expired, draw), lapsed), NOW)
    assert (status.drawn_at, status.max_rounds) == (0, told.spec.rounds - 1)


def test_a_task_that_nobody_posted() -> None:
    status = status_of(TaskState(9), NOW)
    assert (status.task, status.state, status.rounds) == (9, "unknown", ())
    assert decode(TaskStatus, encode(status)) == status
