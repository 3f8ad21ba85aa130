"""Draws, requests that nobody takes back, and compensation: what a fold makes of them."""

from __future__ import annotations

from dataclasses import replace

from protocol.messages.chain import (
    BatchCommitted,
    CohortDrawn,
    Compensated,
    DirectCommitted,
    DrawLapsed,
    Event,
    KeyRequested,
    RoundAbandoned,
    RoundExpired,
    RoundFrozen,
    RoundOpened,
    ScreeningRequested,
    TakenOver,
)
from protocol.round.planning import terms_of
from protocol.round.state_table import RoundState
from protocol.task.fold import apply, fold
from protocol.task.state import TaskState
from tests.unit.protocol.task.told_task import CLIENTS, SUBSTITUTE, ToldTask, event_of

TOLD = ToldTask()


def _after(*events: Event) -> TaskState:
    return fold(1, [*TOLD.events, *events])


def test_after_a_request_no_round_is_abandoned() -> None:
    abandoned = event_of(RoundAbandoned, round=2, record=b"r" * 32, allocation_root=b"a" * 32, allocated=1)
    assert _after(abandoned).rounds[1].state is RoundState.ABANDONED
    late = _after(event_of(KeyRequested, round=2, request=b"q" * 32), abandoned)
    assert late.rounds[1].state is RoundState.REQUESTED and late.misfits == (abandoned,)


SCREENING = event_of(ScreeningRequested, round=2, beacon_block=7, beacon=b"b" * 32, request=b"s" * 32)


def test_a_round_is_screened_once_while_it_runs_and_nobody_asked_for_its_key() -> None:
    facts = _after(event_of(TakenOver, edge_server=SUBSTITUTE), SCREENING).rounds[1]
    assert (facts.screening, facts.screening_by, facts.state) == (SCREENING, SUBSTITUTE, RoundState.OPEN)
    assert facts.compensation(terms_of(TOLD.spec)) == terms_of(TOLD.spec).participation, "no sum was opened"
    requested = event_of(KeyRequested, round=2, request=b"q" * 32)
    assert _after(SCREENING, requested).rounds[1].state is RoundState.REQUESTED
    for strays in ((SCREENING, SCREENING), (requested, SCREENING), (event_of(RoundExpired, round=2), SCREENING)):
        assert _after(*strays).misfits == strays[-1:]
    assert _after(replace(SCREENING, round=1)).misfits == (replace(SCREENING, round=1),), "it is published"


def test_after_a_screening_nobody_commits() -> None:
    said = {"label": b"l" * 32, "nonce": bytes(16), "ciphertext": b"c" * 32, "signature": bytes(65)}
    direct = event_of(DirectCommitted, round=2, client=CLIENTS[0], **said)
    batch = event_of(BatchCommitted, round=2, root=b"r" * 32, batch=b"d" * 32, count=2, object_until=9)
    for event in (direct, batch):
        assert _after(event, SCREENING).misfits == ()
        assert _after(SCREENING, event).misfits == (event,)


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
