"""What a server does next in a screened round, until its verdict is there and afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backend.rounds import moves
from backend.rounds.moves import Knowledge, Move, Screened, Wait
from backend.rounds.next_move import next_move, owed_batch
from protocol.canonical import encode
from protocol.encryption.suite import PAD
from protocol.messages.chain import RoundExpired, ScreeningRequested
from protocol.messages.screening import GramEntry, GramRequest
from protocol.messages.screening_terms import KRUM, ScreeningTerms
from protocol.messages.settlement import Verdict
from protocol.task.documents import Absent, Delivered, Kind, Lack
from protocol.task.documents import Screened as Entered
from protocol.task.fold import BlockMined, apply, fold
from protocol.task.margins import margins
from protocol.task.state import TaskState
from tests.unit.protocol.task.told_task import CLIENTS, ToldTask, event_of

TERMS = ScreeningTerms(rule=KRUM, norm_bound=100, clip=50, window=4, probation=0)
TOLD = ToldTask()
EVERYBODY, OPENED = 10, 8  # events up to everybody's commitments, and up to the opening
EDGE, ENOUGH = TOLD.spec.edge_server, frozenset(TOLD.spec.committee.members)
ACCEPTED = Verdict(TOLD.plans[0].label(), tuple(CLIENTS), ())
OBJECT_UNTIL, COMMIT_UNTIL, SETTLE_UNTIL, MIDDLE = 1_100, 1_300, 1_600, 1_451  # a block takes a second
EVIDENCE = b"\x0e" * 32


def _request() -> GramRequest:
    entries = tuple(
        GramEntry(client, one.commitment.nonce, one.commitment.ciphertext, one.signature)
        for client, one in sorted(TOLD.committed.items())
    )
    return GramRequest(TOLD.plans[0].label(), bytes(32), entries, (), ())


REQUEST = _request()
ASKED = event_of(ScreeningRequested, round=1, beacon_block=11, beacon=bytes(32), request=REQUEST.digest())
ENDED = event_of(RoundExpired, round=1)


def _state(*more: Any, events: int = EVERYBODY, withheld: bool = False, terms: ScreeningTerms = TERMS) -> TaskState:
    """Of the told task, whose spec is screened here whatever it says itself."""
    told = [*TOLD.events[:events], *more]
    state, contents = fold(1, told), {**TOLD.contents, REQUEST.digest(): encode(REQUEST)}
    for _ in range(3):
        for wanted in state.wanted():
            missing = withheld and wanted.kind is Kind.GRAM
            state = apply(
                state, Delivered(wanted, Lack.MISSING if missing else contents.get(wanted.digest, Lack.MISSING))
            )
    spec = state.spec
    assert not isinstance(spec, Absent)
    screened = replace(spec, screening=terms, suite=PAD)
    key = (Kind.SPEC, state.posted.terms.spec if state.posted else b"")
    state = replace(state, documents={**state.documents, key: screened})
    for block in range(1, 20):
        state = apply(state, BlockMined(block, 900 + block))
    return state


def _knows(came: int | None = None, **more: Any) -> Knowledge:
    names = ("overdue", "asked", "evidence")
    screened = Screened(came, **{name: more.pop(name) for name in names if name in more})
    acceptances = dict.fromkeys(CLIENTS, ENOUGH)
    known = Knowledge(EDGE, told=True, keyed=frozenset({0, 1}), acceptances=acceptances, closed=True)
    return replace(known, submissions=frozenset(CLIENTS), screened=screened, **more)


CONTINUES = replace(TERMS, unopened="continue")
DECIDED = _knows(3, verdict=ACCEPTED, evidence=EVIDENCE)
UNOPENED = _knows(3, verdict=ACCEPTED, asked=True)
EMPTY = replace(ACCEPTED, accepted=(), rejected=())
COLLECTING = replace(CONTINUES, probation=1)

TABLE: list[tuple[str, TaskState, Knowledge, int, Move]] = [
    ("one may still object", _state(), _knows(), OBJECT_UNTIL, Wait(OBJECT_UNTIL + 1)),
    ("which updates came", _state(), _knows(), OBJECT_UNTIL + 1, moves.ExamineUpdates(1)),
    ("then openings of these", _state(), _knows(3), OBJECT_UNTIL + 1, moves.RequestScreening(1)),
    ("once the block is there that draws the sketch", _state(),
     _knows(3, not_before={moves.RequestScreening: 1_105}), OBJECT_UNTIL + 2, Wait(1_105)),
    ("but not of one", _state(), _knows(1), OBJECT_UNTIL + 1, moves.GoUnopened(1)),
    ("nor when the chain has forgotten that block", _state(), _knows(3, overdue=True), 1_400, moves.GoUnopened(1)),
    ("nor without the authorities' bonds", _state(), _knows(3, keyless=True), 1_400, moves.GoUnopened(1)),
    ("nor too late", _state(), _knows(3), 1_592, moves.GoUnopened(1)),
    ("the authorities open", _state(ASKED), _knows(3), 1_120, moves.AskOpenings(1)),
    ("also before everybody's time to commit is over", _state(ASKED), replace(_knows(3), closed=False), 1_120,
     moves.CommitBatch(1)),
    ("until the middle of the settle phase", _state(ASKED), _knows(3, asked=True), MIDDLE, moves.AskOpenings(1)),
    ("and no longer", _state(ASKED), _knows(3, asked=True), MIDDLE + 1, moves.GoUnopened(1)),
    ("a server that took over asks once", _state(ASKED), _knows(3), MIDDLE + 1, moves.AskOpenings(1)),
    ("if there is time", _state(ASKED), _knows(3), 1_592, moves.GoUnopened(1)),
    ("a request that nobody can read", _state(ASKED, withheld=True), _knows(), 1_310, Wait(MIDDLE + 1)),
    ("is given up", _state(ASKED, withheld=True), _knows(), MIDDLE + 1, moves.ExamineUpdates(1)),
    ("with what came", _state(ASKED, withheld=True), _knows(3), MIDDLE + 1, moves.GoUnopened(1)),
    ("the sum of the accepted", _state(ASKED), DECIDED, 1_120, moves.VerifyUpdates(1)),
    ("and its key", _state(ASKED), replace(DECIDED, summed=True), 1_120, moves.RequestKey(1)),
    ("nobody is accepted while histories are collected", _state(ASKED),
     replace(DECIDED, verdict=replace(EMPTY, rejected=())), 1_310, moves.AskOpenings(1)),
    ("unopened, it is abandoned", _state(ASKED), UNOPENED, MIDDLE + 1, moves.Abandon(1)),
    ("or goes on with everybody", _state(ASKED, terms=CONTINUES), UNOPENED, MIDDLE + 1, moves.VerifyUpdates(1)),
    ("with a key", _state(ASKED, terms=CONTINUES), replace(UNOPENED, summed=True), MIDDLE + 1, moves.RequestKey(1)),
    ("but not where histories are collected", _state(ASKED, terms=COLLECTING), UNOPENED, MIDDLE + 1,
     moves.Abandon(1)),
    ("nor where nobody was asked", _state(terms=CONTINUES), UNOPENED, MIDDLE + 1, moves.Abandon(1)),
    ("what its openings say comes before the next plan", _state(ENDED), _knows(), 1_700, moves.Rederive(1)),
    ("and is awaited", _state(ENDED), _knows(underivable={1: 9_999}), 1_700, Wait(1_705)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "known", "now", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_table(state: TaskState, known: Knowledge, now: int, expected: Move) -> None:
    assert next_move(state, known, now) == expected


def test_the_middle_is_after_that_of_the_phase_in_any_block() -> None:
    state = _state()
    assert state.current is not None
    assert margins(TOLD.spec, state.current.opened, state.times).openings_due == MIDDLE
    assert SETTLE_UNTIL - TOLD.spec.durations.settle_seconds / 2 < MIDDLE


def test_no_batch_is_owed_once_openings_are_requested() -> None:
    assert owed_batch(_state(events=OPENED), EDGE, CLIENTS, 1_010) is not None
    assert owed_batch(_state(ASKED, events=OPENED), EDGE, CLIENTS, 1_010) is None


def test_the_next_round_is_planned_once_it_is_derived() -> None:
    state = apply(_state(ENDED), Entered(1, None))
    assert isinstance(next_move(state, _knows(), 1_700), moves.OpenRound)
