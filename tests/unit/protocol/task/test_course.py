"""Draws, requests that nobody takes back, and compensation: what a fold makes of them."""

from __future__ import annotations

from dataclasses import replace

from protocol.messages.chain import (
    CohortDrawn,
    Compensated,
    DrawLapsed,
    Event,
    KeyRequested,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
)
from protocol.round.planning import terms_of
from protocol.round.state_table import RoundState
from protocol.task.fold import apply, fold
from protocol.task.state import TaskState
from tests.unit.protocol.task.told_task import CLIENTS, ToldTask, event_of

TOLD = ToldTask()


def _after(*events: Event) -> TaskState:
    return fold(1, [*TOLD.events, *events])


def test_after_a_request_no_round_is_abandoned() -> None:
    abandoned = event_of(RoundAbandoned, round=2, record=b"r" * 32, allocation_root=b"a" * 32, allocated=1)
    assert _after(abandoned).rounds[1].state is RoundState.ABANDONED
    late = _after(event_of(KeyRequested, round=2, request=b"q" * 32), abandoned)
    assert late.rounds[1].state is RoundState.REQUESTED and late.misfits == (abandoned,)


def test_a_draw_is_of_the_next_round_until_it_is_opened_or_lapses() -> None:
    drawn, lapsed = event_of(CohortDrawn, round=3, drawn_at=100), event_of(DrawLapsed, round=3)
    expired = event_of(RoundExpired, round=2)
    state = _after(expired, drawn)
    assert state.drawn == drawn and state.total_rounds == TOLD.spec.rounds
    assert apply(state, lapsed).drawn is None and apply(state, lapsed).total_rounds == TOLD.spec.rounds - 1
    opened = next(event for event in TOLD.events if isinstance(event, RoundOpened))
    state = apply(state, replace(opened, round=3, beacon=b"b" * 32))
    assert (state.drawn, len(state.rounds), state.misfits) == (None, 3, ())
    for strays in ((drawn,), (expired, lapsed), (expired, drawn, drawn), (expired, replace(drawn, round=4))):
        assert _after(*strays).misfits == strays[-1:]


def test_a_round_without_a_tree_compensates_each_client_once() -> None:
    paid, terms = event_of(Compensated, round=2, client=CLIENTS[0], amount=599), terms_of(TOLD.spec)
    state = _after(event_of(RoundExpired, round=2), paid)
    assert state.compensated == {(2, CLIENTS[0]): paid} and state.rounds[1].compensation(terms) == 599
    assert apply(state, paid).misfits == (paid,)
    assert _after(paid).misfits == (paid,), "it runs"
    assert _after(replace(paid, round=1)).misfits == (replace(paid, round=1),), "it has a tree"
    frozen = _after(event_of(RoundFrozen, round=1, culprit=TOLD.spec.edge_server))
    assert frozen.rounds[0].compensates and frozen.rounds[0].compensation(terms) == 1_000, "its key was requested"
