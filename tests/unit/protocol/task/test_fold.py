"""The fold over a task's events: total, indifferent to when documents come, and honest about those that do not."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.chain import (
    BondForfeited,
    Claimed,
    CohortDrawn,
    Compensated,
    DrawLapsed,
    Enrolled,
    EnrolmentFull,
    Event,
    Left,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    RoundPublished,
    ScreeningRequested,
    TakenOver,
    TaskPosted,
)
from protocol.messages.keys import KeyRequest
from protocol.messages.rosters import RosterPosted
from protocol.messages.settlement import Allocation, RoundRecord
from protocol.round.state_table import TRANSITIONS, RoundState
from protocol.task.acting import NEVER, acts_after, due
from protocol.task.documents import Absent, Delivered, Kind, Lack, Present, Rederived
from protocol.task.fold import BlockMined, Entry, apply, apply_all, fold
from protocol.task.past import allocation_before, best_count, past_before, settled_at_opening
from protocol.task.state import TaskState
from tests.unit.protocol.task.told_task import CLIENTS, KINDS, MANUFACTURER, SUBSTITUTE, ToldTask, event_of

TOLD = ToldTask()
EDGE = TOLD.spec.edge_server


def _after(*events: Event) -> TaskState:
    return fold(1, [*TOLD.events, *events])


STRAY = [
    replace(next(event for event in TOLD.events if isinstance(event, RoundPublished)), round=9),
    event_of(RoundAbandoned, round=2, record=b"r" * 32, allocation_root=b"a" * 32, allocated=1),
    event_of(RoundExpired, round=2),
    event_of(RoundFrozen, round=1, culprit=EDGE),
    event_of(RoundFrozen, round=0, culprit=EDGE),
    event_of(RoundFrozen, round=2, culprit=EDGE),
    event_of(Left, client=CLIENTS[0], signature=bytes(65)),
    event_of(TakenOver, edge_server=SUBSTITUTE),
    event_of(BondForfeited, holder=EDGE, reporter=CLIENTS[0], amount=3, share=1),
    event_of(CohortDrawn, round=3, drawn_at=100),
    event_of(DrawLapsed, round=3),
    event_of(Compensated, round=2, client=CLIENTS[0], amount=3),
    event_of(ScreeningRequested, round=2, beacon_block=7, beacon=b"b" * 32, request=b"s" * 32),
    event_of(EnrolmentFull, enrolled=3, enrol_until=500),
]  # fmt: skip


def test_what_honest_parties_say_is_read_whole() -> None:
    state = TOLD.state()
    assert state.spec == TOLD.spec and state.misfits == ()
    assert [facts.state for facts in state.rounds] == [RoundState.PUBLISHED, RoundState.OPEN]
    assert state.current is state.rounds[1] and state.acting == EDGE
    assert state.plan(2) == TOLD.plans[1]
    assert state.committed(1) == TOLD.committed
    assert isinstance(state.allocation(1), Allocation) and isinstance(state.aggregate(1), Present)
    past = past_before(state, 2)
    assert not isinstance(past, Absent) and past.model == TOLD.model
    assert best_count(state, 2) == 1 and best_count(state, 1) == 0


@given(st.lists(st.sampled_from([*TOLD.events, *STRAY]), max_size=30))
@settings(max_examples=200, deadline=None)
def test_no_order_of_events_makes_it_raise_or_leaves_the_state_table(events: list[Event]) -> None:
    state = TaskState(1)
    for event in events:
        before = {facts.number: facts.state for facts in state.rounds}
        state = apply(state, event)
        for facts in state.rounds:
            step = before.get(facts.number, RoundState.NONE), facts.state
            assert step[0] == step[1] or step in TRANSITIONS
    list(state.wanted())
    for server in (EDGE, SUBSTITUTE, CLIENTS[0]):
        acts_after(state, server)
    for number in range(1, len(state.rounds) + 2):
        past_before(state, number), allocation_before(state, number)
    state.payable_from(), due(state)


OTHERS: list[Entry] = [
    *(replace(event, task=2) for event in TOLD.events if isinstance(event, Enrolled)),
    *(event_of(Claimed, client=client, amount=1, cumulative=1, reputation=2, freed=True) for client in CLIENTS),
    *(event_of(Left, client=client, signature=bytes(65)) for client in CLIENTS),
    *(BlockMined(block, 10 * block + turn) for block in (1, 2) for turn in (0, 1)),
]


@given(st.integers(0, len(TOLD.events)), st.lists(st.sampled_from([*TOLD.events, *STRAY, *OTHERS]), max_size=30))
@settings(max_examples=300, deadline=None)
def test_many_at_once_come_to_what_one_after_the_other_do(begun: int, entries: list[Entry]) -> None:
    before = fold(1, TOLD.events[:begun])
    one_by_one = reduce(apply, entries, before)
    together = apply_all(before, entries)
    assert together == one_by_one
    for field in ("enrolled", "left", "claims", "times"):
        assert list(getattr(together, field)) == list(getattr(one_by_one, field)), "in the same order"
    sorted_runs = sorted(entries, key=lambda entry: type(entry).__name__)
    assert apply_all(before, sorted_runs) == reduce(apply, sorted_runs, before)


@given(st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_documents_may_come_whenever_they_like(random: Any) -> None:
    deliveries = TOLD.deliveries(TOLD.state())
    entries: list[Entry] = list(TOLD.events)
    for delivered in deliveries:
        entries.insert(random.randrange(len(entries) + 1), delivered)
    assert fold(1, entries) == TOLD.state()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.value)
def test_a_withheld_document_is_a_value_with_the_name_of_its_keeper(kind: Kind) -> None:
    digest = next(wanted.digest for wanted in TOLD.state().wanted() if wanted.kind is kind)
    state = TOLD.state(without=digest)
    absent = [found for found in state.documents.values() if isinstance(found, Absent)]
    keeper = MANUFACTURER if kind is Kind.SPEC else EDGE
    assert absent and all(found.lack is Lack.MISSING and found.keeper == keeper for found in absent)
    assert state.rounds == TOLD.state().rounds, "what the chain says stays"
    past, spec = past_before(state, 2), kind is Kind.SPEC
    if isinstance(past, Absent):
        assert spec
    else:
        readable = kind in (Kind.ALLOCATION, Kind.REQUEST)
        assert past.model == (TOLD.model if readable else TOLD.spec.initial_model)


def test_bytes_that_are_no_such_document_are_malformed_and_never_raise() -> None:
    state = fold(1, TOLD.events)
    for wanted in list(state.wanted()):
        for content in (b"", b"{}", b"\xff" * 40, b"[" * 100_000):
            found = apply(state, Delivered(wanted, content)).documents[wanted.kind, wanted.digest]
            assert found == Absent(wanted.digest, Lack.MALFORMED, wanted.keeper)


def test_a_plan_of_another_label_is_malformed() -> None:
    opened = next(event for event in TOLD.events if isinstance(event, RoundOpened))
    events = [replace(event, label=b"x" * 32) if event is opened else event for event in TOLD.events]
    state = fold(1, events)
    wanted = next(wanted for wanted in state.wanted() if wanted.kind is Kind.PLAN)
    plan = apply(state, Delivered(wanted, TOLD.contents[wanted.digest])).plan(1)
    assert isinstance(plan, Absent) and plan.lack is Lack.MALFORMED


def test_nothing_replaces_a_document_that_is_there() -> None:
    state = TOLD.state()
    for delivered in TOLD.deliveries(state):
        assert isinstance(delivered, Delivered)
        assert apply(state, Delivered(delivered.wanted, Lack.MISSING)) == state


def test_the_reputations_of_a_plan_are_those_that_stood_at_its_opening() -> None:
    """A dispute that came later froze the round, not the plan."""
    state = TOLD.state()
    assert settled_at_opening(state, 1) == ()
    assert settled_at_opening(state, 2) == (state.rounds[0],)
    later = _after(event_of(RoundFrozen, round=1, culprit=EDGE))
    assert settled_at_opening(later, 2) == (later.rounds[0],)
    frozen = event_of(RoundFrozen, round=1, culprit=EDGE)
    opened = next(event for event in TOLD.events if isinstance(event, RoundOpened) and event.round == 2)
    before = [event for event in TOLD.events if event is not opened]
    earlier = fold(1, [*before, replace(frozen, block=opened.block - 1), replace(opened, log_index=1)])
    assert settled_at_opening(earlier, 2) == ()


def test_a_batch_that_is_withheld_matters_only_if_it_may_hold_somebody() -> None:
    batch = next(wanted.digest for wanted in TOLD.state().wanted() if wanted.kind is Kind.BATCH)
    state = TOLD.state(without=batch)
    assert isinstance(state.committed(1), Absent)
    told = ToldTask()
    told.events = told.events[:8]
    told.commit(1, CLIENTS[:1], CLIENTS)
    told.contents.pop(next(event.batch for event in told.events if hasattr(event, "batch")))
    withheld = fold(1, [*told.events, *(d for d in TOLD.deliveries(TOLD.state()) if isinstance(d, Delivered))])
    found = withheld.committed(1)
    assert not isinstance(found, Absent) and list(found) == CLIENTS


def test_a_batch_that_names_somebody_who_is_not_planned_commits_nobody_else() -> None:
    told = ToldTask()
    told.events = told.events[:7]
    told.plans.clear()
    cohort = dict.fromkeys(CLIENTS[:2], 2)
    told.open(1, told.spec.initial_model, cohort)
    told.commit(1, CLIENTS, [])
    state = fold(1, told.events)
    for _ in range(3):
        for delivered in told.deliveries(state):
            state = apply(state, delivered)
    committed = state.committed(1)
    assert not isinstance(committed, Absent) and list(committed) == CLIENTS[:2]


def test_what_was_derived_again_stands_in_for_a_record() -> None:
    record_of = next(wanted.digest for wanted in TOLD.state().wanted() if wanted.kind is Kind.RECORD)
    state, whole = TOLD.state(without=record_of), TOLD.state()
    record, allocation = whole.record(1), whole.allocation(1)
    assert isinstance(record, RoundRecord) and isinstance(allocation, Allocation)
    derived = apply(state, Rederived(1, record.verdict, record.aggregate, allocation))
    assert derived.verdict(1) == record.verdict and derived.allocation(1) == allocation
    for delivered in TOLD.deliveries(derived, without=record_of):
        derived = apply(derived, delivered)
    assert past_before(derived, 2) == past_before(whole, 2)


def test_an_allocation_off_its_root_is_no_allocation() -> None:
    published = next(event for event in TOLD.events if isinstance(event, RoundPublished))
    events = [replace(e, allocation_root=b"x" * 32) if e is published else e for e in TOLD.events]
    state = fold(1, [*events, *TOLD.deliveries(TOLD.state())])
    found = allocation_before(state, 2)
    assert isinstance(found, Absent) and found.lack is Lack.MALFORMED


def test_a_frozen_round_pays_nobody_and_keeps_its_model() -> None:
    frozen = apply(TOLD.state(), event_of(RoundFrozen, round=1, culprit=EDGE))
    allocation, past = allocation_before(frozen, 2), past_before(frozen, 2)
    assert isinstance(allocation, Allocation) and {entry.cumulative for entry in allocation.entitlements} == {0}
    assert not isinstance(past, Absent) and past.model == TOLD.model


def test_an_expired_round_is_never_frozen() -> None:
    frozen = event_of(RoundFrozen, round=2, culprit=EDGE)
    state = apply(_after(event_of(RoundExpired, round=2)), frozen)
    assert state.rounds[1].state is RoundState.EXPIRED and state.misfits == (frozen,)


def test_who_signs_for_a_client() -> None:
    told = ToldTask()
    told.enrol(b"\x0c" * 20, signer=b"\x0d" * 20)
    state = told.state()
    assert state.signer_of(b"\x0c" * 20) == b"\x0d" * 20
    assert state.signer_of(CLIENTS[0]) == CLIENTS[0]
    assert state.signer_of(MANUFACTURER) == MANUFACTURER, "nobody's enrolment"


def test_a_request_is_read_by_everybody() -> None:
    request = TOLD.state().request(1)
    assert isinstance(request, KeyRequest) and [entry.client for entry in request.entries] == CLIENTS
    assert isinstance(TOLD.state().request(2), Absent)


def test_who_may_act() -> None:
    state, takeover = _after(), TOLD.spec.durations.takeover_seconds
    assert due(state) == 2_300
    assert [acts_after(state, server) for server in (EDGE, SUBSTITUTE, MANUFACTURER)] == [0, 2_300 + takeover, NEVER]
    late = _after(event_of(TakenOver, edge_server=SUBSTITUTE))
    assert (acts_after(late, SUBSTITUTE), acts_after(late, EDGE)) == (0, NEVER), "its time is not known yet"
    late = apply(late, BlockMined(99, 2_501))
    assert acts_after(late, EDGE) == 2_501 + takeover, "whoever took over is given as long"
    ended = _after(event_of(RoundExpired, round=2))
    assert due(ended) == 2_601, "now the next round is due"
    dismissed = _after(event_of(BondForfeited, holder=EDGE, reporter=MANUFACTURER, amount=1, share=0))
    assert acts_after(dismissed, EDGE) == NEVER
    assert due(fold(1, TOLD.events[:4])) == 601, "enrolment, then rosters"


def test_when_the_last_allocation_can_be_claimed() -> None:
    state = TOLD.state()
    assert state.payable_from() is None
    settled = state.rounds[0].settled
    assert settled is not None
    assert apply(state, BlockMined(settled.block, 1_500)).payable_from() == 1_500 + TOLD.spec.durations.dispute_seconds
    assert fold(1, TOLD.events[:4]).payable_from() == 0
    posted = TOLD.events[0]
    assert isinstance(posted, TaskPosted)
    undisputed = replace(posted, terms=replace(posted.terms, dispute_seconds=0))
    assert fold(1, [undisputed, *TOLD.events[1:]]).payable_from() == 0, "nothing to wait for, whenever it was"


def test_rosters_are_kept_by_window_and_authority() -> None:
    """Before the first round of the window, once, by an authority of the task."""
    state = TOLD.state()
    first, second, _ = (event for event in TOLD.events if isinstance(event, RosterPosted))
    assert state.rosters.keys() == {0} and state.rosters[0].keys() == set(TOLD.spec.committee.members)
    before = fold(1, TOLD.events[:4])
    for wrong in (replace(first, window=1), replace(first, authority=EDGE)):
        assert apply(before, wrong).misfits == (wrong,)
    assert fold(1, [*TOLD.events[:4], first, replace(first, held=b"")]).rosters == {0: {first.authority: first}}
    assert apply(fold(1, TOLD.events[:8]), second).misfits == (second,), "round 1 is open"
