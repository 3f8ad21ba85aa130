"""What a server does next: a table of moves for one course of a task, and rules that hold for every state of it."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import product
from typing import Any, TypeVar

import pytest

from backend.rounds import moves
from backend.rounds.moves import Knowledge, Move, Wait
from backend.rounds.next_move import next_move
from protocol.messages.chain import (
    BondForfeited,
    CohortDrawn,
    DrawLapsed,
    Enrolled,
    EnrolmentFull,
    Event,
    Left,
    RoundExpired,
    RoundFrozen,
    TakenOver,
)
from protocol.messages.settlement import UNAVAILABLE, Rejection, Verdict
from protocol.round.draw import drawn
from protocol.task.acting import NEVER, acts_after
from protocol.task.documents import Absent, Delivered, Kind, Lack
from protocol.task.fold import BlockMined, apply, fold
from protocol.task.margins import landing_seconds
from protocol.task.state import TaskState
from tests.unit.protocol.task.told_task import CLIENTS, SUBSTITUTE, ToldTask

Told = TypeVar("Told", bound=Event)

TOLD, SHORT = ToldTask(), ToldTask(roster_rounds=1)
EDGE, ENOUGH = TOLD.spec.edge_server, frozenset(TOLD.spec.committee.members)
ENROLLED, OPENED, BATCHED, DIRECT, REQUESTED, PUBLISHED, SECOND = range(7, 14)  # so many events of the told task
ACCEPTED = Verdict(TOLD.plans[0].label(), tuple(CLIENTS), ())
SETTLED_AT = 1_500


def _state(events: int, *more: Event, withheld: frozenset[Kind] = frozenset(), told: ToldTask = TOLD) -> TaskState:
    state = fold(1, [*told.events[:events], *more])
    for _ in range(3):
        for wanted in state.wanted():
            found = Lack.MISSING if wanted.kind in withheld else told.contents[wanted.digest]
            state = apply(state, Delivered(wanted, found))
    for event in (*told.events[:events], *more):
        state = apply(state, BlockMined(event.block, SETTLED_AT))
    return state


def _event(kind: type[Told], **fields: Any) -> Told:
    place: dict[str, Any] = {"block": 99, "log_index": 0, "transaction": bytes(32), "task": 1}
    return kind(**place, **fields)


def _knows(server: bytes = EDGE, **more: Any) -> Knowledge:
    known = Knowledge(server, told=True, keyed=frozenset({0, 1}), acceptances=dict.fromkeys(CLIENTS, ENOUGH))
    return replace(known, **more)


def _dismissed(*holders: bytes) -> list[Event]:
    return [_event(BondForfeited, holder=holder, reporter=bytes(20), amount=1, share=0) for holder in holders]


MEMBERS, DRAWS, BEACON = TOLD.spec.committee.members, ToldTask(max_cohort=2), b"\x0c" * 32
DRAWN, LAPSED = _event(CohortDrawn, round=1, drawn_at=50), _event(DrawLapsed, round=1)
LATE = _event(
    Enrolled, client=b"\xfe" * 20, envelope=bytes(32), reputation=2, signer=b"\xfe" * 20, deadline=9_999,
    signature=bytes(65),
)  # fmt: skip
COMMIT_UNTIL, SETTLE_UNTIL, TAKEOVER = 1_300, 1_600, TOLD.spec.durations.takeover_seconds
ALL_SENT, LAST_BATCH, OBJECT_UNTIL = 1_040, COMMIT_UNTIL - TOLD.spec.durations.objection_seconds, 1_100
LANDING = landing_seconds(TOLD.spec, 1)
BATCH_DUE, PUBLISH_DUE = LAST_BATCH - LANDING, SETTLE_UNTIL - LANDING
FULL = _knows(submissions=frozenset(CLIENTS))
PART = _knows(submissions=frozenset(CLIENTS[:1]), missing=True)
CLOSED = replace(FULL, closed=True)
DECIDED = replace(CLOSED, verdict=ACCEPTED, summed=True)
NOBODY = replace(ACCEPTED, accepted=(), rejected=tuple(Rejection(client, UNAVAILABLE) for client in CLIENTS))
TWO = replace(ACCEPTED, accepted=ACCEPTED.accepted[:2], rejected=NOBODY.rejected[2:])
REJECTED = replace(CLOSED, verdict=NOBODY, summed=True)
PACE = [BlockMined(block, SETTLED_AT) for block in (1, 5, 13)]
PAYABLE_FROM = SETTLED_AT + TOLD.spec.durations.dispute_seconds

TABLE: list[tuple[str, TaskState, Knowledge, int, Move]] = [
    ("not posted", TaskState(1), _knows(), 0, Wait(NEVER)),
    ("the pace of the chain comes first", fold(1, TOLD.events), _knows(missing=True),
     2_010, moves.ReadTimes((1, 5, 13))),
    ("then documents to look for", _state(OPENED), _knows(missing=True), 1_010, moves.Fetch()),
    ("then other times of blocks", fold(1, [*TOLD.events, _event(TakenOver, edge_server=SUBSTITUTE), *PACE]), _knows(),
     2_010, moves.ReadTimes((12, 99))),
    ("before them a batch that is due", _state(OPENED), PART, BATCH_DUE, moves.CommitBatch(1)),
    ("but not a second before", _state(OPENED), PART, BATCH_DUE - 1, moves.Fetch()),
    ("no spec, no move", _state(ENROLLED, withheld=frozenset({Kind.SPEC})), _knows(), 10, Wait(NEVER)),
    ("the authorities get the spec", _state(1), _knows(told=False), 10, moves.ShowTask()),
    ("and every envelope", _state(2), _knows(acceptances={}), 10, moves.ShowEnvelopes((CLIENTS[0],))),
    ("one that is new does not wait for an authority that is away", _state(3),
     _knows(acceptances={}, shown=frozenset(CLIENTS[:1]), not_before={moves.ShowEnvelopes: 60}), 10,
     moves.ShowEnvelopes((CLIENTS[1],))),
    ("the others do", _state(3),
     _knows(acceptances={}, shown=frozenset(CLIENTS), not_before={moves.ShowEnvelopes: 60}), 10, Wait(60)),
    ("until it may be back", _state(3), _knows(acceptances={}, shown=frozenset(CLIENTS)), 60,
     moves.ShowEnvelopes(tuple(CLIENTS[:2]))),
    ("enrolment runs", _state(3), _knows(), 10, Wait(601)),
    ("what phones seal to", _state(3), _knows(keyed=frozenset()), 10, moves.AskKeys(0)),
    ("an authority is away", _state(3), _knows(keyed=frozenset(), not_before={moves.AskKeys: 18}), 10, Wait(18)),
    ("phones that enrol meanwhile are shown", _state(2),
     _knows(keyed=frozenset(), acceptances={}, not_before={moves.AskKeys: 18}), 10, moves.ShowEnvelopes((CLIENTS[0],))),
    ("no time left for it", _state(3), _knows(keyed=frozenset()), 590, Wait(601)),
    ("keys keep no round waiting", _state(ENROLLED), _knows(keyed=frozenset()), 601,
     moves.OpenRound(1, dict.fromkeys(CLIENTS, 2))),
    ("they are asked for in a round", _state(OPENED, told=SHORT), _knows(keyed=frozenset({0})), 1_010,
     moves.AskKeys(1)),
    ("and of the next window too", _state(OPENED, told=SHORT), _knows(), 1_010, moves.AskKeys(2)),
    ("but of none after the last round", _state(OPENED, told=SHORT), _knows(keyed=frozenset({1, 2})), 1_010,
     Wait(BATCH_DUE)),
    ("an authority that was away gets its shares before it erases the key", _state(OPENED),
     _knows(acceptances=dict.fromkeys(CLIENTS, frozenset(list(ENOUGH)[:2])), shown=frozenset(CLIENTS)), 1_010,
     moves.ShowEnvelopes(tuple(CLIENTS))),
    ("later, when it is still away", _state(OPENED),
     _knows(acceptances=dict.fromkeys(CLIENTS, frozenset(list(ENOUGH)[:2])), shown=frozenset(CLIENTS),
            not_before={moves.ShowEnvelopes: 1_070}), 1_010, Wait(1_070)),
    ("nor once the task is over", _state(PUBLISHED), _knows(keyed=frozenset()), 86_401, Wait(172_801)),
    ("enrolment is over", _state(ENROLLED), _knows(), 601, moves.OpenRound(1, dict.fromkeys(CLIENTS, 2))),
    ("a roster may still come", _state(ENROLLED - 1), _knows(), 601, Wait(602)),
    ("or be missing", _state(ENROLLED - 1), _knows(), 602, moves.OpenRound(1, dict.fromkeys(CLIENTS, 2))),
    ("whoever is in too few is not planned", _state(ENROLLED - 2), _knows(), 602, Wait(86_401)),
    ("nobody more is waited for in a full task", _state(ENROLLED, _event(EnrolmentFull, enrolled=3, enrol_until=20)),
     _knows(), 21, moves.OpenRound(1, dict.fromkeys(CLIENTS, 2))),
    ("a latecomer is shown while a round runs", _state(OPENED, LATE), _knows(), 1_010,
     moves.ShowEnvelopes((LATE.client,))),
    ("and before the next one", _state(PUBLISHED, LATE), _knows(), 1_500, moves.ShowEnvelopes((LATE.client,))),
    ("but not planned before it is in the rosters", _state(PUBLISHED, LATE), _knows(shown=frozenset({LATE.client}),
     not_before={moves.ShowEnvelopes: 9_999}), 1_500, moves.OpenRound(2, dict.fromkeys(CLIENTS, 3))),
    ("a cohort is drawn", _state(ENROLLED, told=DRAWS), _knows(), 601, moves.DrawCohort(1)),
    ("by the block that comes", _state(ENROLLED, DRAWN, told=DRAWS), _knows(), 601, moves.ReadBeacon(50)),
    ("whose hash says who is planned", _state(ENROLLED, DRAWN, told=DRAWS), _knows(beacon=BEACON), 601,
     moves.OpenRound(1, dict.fromkeys(drawn(CLIENTS, 2, BEACON, 1, 1), 2))),
    ("or it is too late for it", _state(ENROLLED, DRAWN, told=DRAWS), _knows(overdue=True), 601, moves.DrawCohort(1)),
    ("which costs a round", _state(ENROLLED, DRAWN, LAPSED, told=DRAWS), _knows(), 601, moves.DrawCohort(1)),
    ("nobody draws for a round that cannot be opened", _state(ENROLLED - 2, told=DRAWS), _knows(), 602, Wait(86_401)),
    ("nor a substitute before its time", _state(ENROLLED, told=DRAWS), _knows(SUBSTITUTE), 601,
     Wait(601 + TAKEOVER + 1)),
    ("nobody opens a round whose key nobody could make", _state(PUBLISHED, *_dismissed(*MEMBERS[1:])), _knows(), 1_500,
     Wait(172_801)),
    ("a task without servers is over", _state(PUBLISHED, *_dismissed(EDGE, SUBSTITUTE)), _knows(), 1_500,
     Wait(172_801)),
    ("a substitute waits for the acting one", _state(ENROLLED), _knows(SUBSTITUTE), 601, Wait(601 + TAKEOVER + 1)),
    ("and opens the first round itself", _state(ENROLLED), _knows(SUBSTITUTE), 602 + TAKEOVER,
     moves.OpenRound(1, dict.fromkeys(CLIENTS, 2))),
    ("phones wait for the authorities' word on the cohort", _state(OPENED), _knows(unendorsed=True), 1_010,
     moves.AskEndorsements(1)),
    ("a substitute's, too", _state(OPENED), _knows(SUBSTITUTE, unendorsed=True), 1_010, moves.AskEndorsements(1)),
    ("while they may commit", _state(OPENED), _knows(unendorsed=True, closed=True), COMMIT_UNTIL + 1,
     moves.VerifyUpdates(1)),
    ("too few gave it: later again", _state(OPENED),
     _knows(unendorsed=True, not_before={moves.AskEndorsements: 1_012}), 1_010, Wait(1_012)),
    ("and nothing waits for it", _state(OPENED),
     replace(FULL, unendorsed=True, not_before={moves.AskEndorsements: 1_050}), ALL_SENT, moves.CommitBatch(1)),
    ("phones may still commit", _state(OPENED), _knows(), 1_010, Wait(BATCH_DUE)),
    ("no batch before each was due", _state(OPENED), FULL, 1_010, Wait(ALL_SENT)),
    ("everybody has", _state(OPENED), FULL, ALL_SENT, moves.CommitBatch(1)),
    ("but one that is censored", _state(OPENED),
     _knows(submissions=frozenset(CLIENTS[1:]), censored=frozenset(CLIENTS[:1])), ALL_SENT,
     moves.CommitBatch(1)),
    ("no time to wait for more", _state(OPENED), _knows(), BATCH_DUE, moves.CommitBatch(1)),
    ("no time for a batch", _state(OPENED), _knows(closed=True, submissions=frozenset(CLIENTS)), LAST_BATCH + 1,
     Wait(COMMIT_UNTIL + 1)),
    ("one may still commit directly", _state(BATCHED), CLOSED, 1_010, Wait(COMMIT_UNTIL + 1)),
    ("nobody came", _state(OPENED), _knows(closed=True), 1_298, Wait(COMMIT_UNTIL + 1)),
    ("a batch of somebody else closes the own", _state(DIRECT), FULL, 1_310, moves.CommitBatch(1)),
    ("all have committed, as the batch says", _state(DIRECT), CLOSED, 1_010, Wait(OBJECT_UNTIL + 1)),
    ("all have committed", _state(DIRECT), CLOSED, OBJECT_UNTIL + 1, moves.VerifyUpdates(1)),
    ("after a restart the sum is made again", _state(REQUESTED), replace(DECIDED, summed=False), 1_310,
     moves.VerifyUpdates(1)),
    ("the key of the accepted set", _state(DIRECT), DECIDED, OBJECT_UNTIL + 1, moves.RequestKey(1)),
    ("the request is on chain", _state(REQUESTED), DECIDED, 1_310, moves.DecryptSum(1)),
    ("the authorities have time to the end", _state(REQUESTED), DECIDED, SETTLE_UNTIL, moves.DecryptSum(1)),
    ("it cannot be decrypted, and may have been opened", _state(REQUESTED), replace(DECIDED, undecryptable=True),
     1_310, Wait(SETTLE_UNTIL + 1)),
    ("the model is there, or garbage", _state(REQUESTED), replace(DECIDED, opened=True), 1_310, moves.Publish(1)),
    ("no key is requested so late", _state(DIRECT), DECIDED, PUBLISH_DUE, moves.Abandon(1)),
    ("a second before it is", _state(DIRECT), DECIDED, PUBLISH_DUE - 1, moves.RequestKey(1)),
    ("the ledger takes no request", _state(DIRECT), replace(DECIDED, keyless=True), 1_310, moves.Abandon(1)),
    ("but phones may still commit", _state(DIRECT), replace(DECIDED, keyless=True), OBJECT_UNTIL + 1,
     Wait(COMMIT_UNTIL + 1)),
    ("too few authorities are left to see one", _state(DIRECT, *_dismissed(*MEMBERS[:2])), DECIDED, 1_310,
     moves.Abandon(1)),
    ("enough are", _state(DIRECT, *_dismissed(MEMBERS[0])), DECIDED, 1_310, moves.RequestKey(1)),
    ("a ciphertext that was accepted is gone", _state(DIRECT), replace(DECIDED, summed=False, undecryptable=True),
     1_310, moves.Abandon(1)),
    ("with a key requested it may come back", _state(REQUESTED), replace(DECIDED, summed=False, undecryptable=True),
     1_310, moves.VerifyUpdates(1)),
    ("a commitment was taken back after the verdict", _state(BATCHED), DECIDED, 1_310, moves.VerifyUpdates(1)),
    ("too few are accepted", _state(DIRECT), REJECTED, 1_310, moves.Abandon(1)),
    ("but the commit phase is not over", _state(DIRECT), REJECTED, OBJECT_UNTIL + 1, Wait(COMMIT_UNTIL + 1)),
    ("another set was requested", _state(REQUESTED), replace(DECIDED, verdict=TWO), 1_310, moves.FollowRequest(1)),
    ("also where nobody is accepted", _state(REQUESTED), replace(DECIDED, verdict=NOBODY), 1_310,
     moves.FollowRequest(1)),
    ("by whom nobody can read", _state(REQUESTED, withheld=frozenset({Kind.REQUEST})), replace(DECIDED, verdict=TWO),
     1_310, Wait(SETTLE_UNTIL + 1)),
    ("too late for anything", _state(REQUESTED), DECIDED, SETTLE_UNTIL + 1, moves.Expire(1)),
    ("whoever acts", _state(OPENED), _knows(SUBSTITUTE), SETTLE_UNTIL + 1, moves.Expire(1)),
    ("a substitute follows", _state(REQUESTED), _knows(SUBSTITUTE), 1_310, Wait(COMMIT_UNTIL + TAKEOVER + 1)),
    ("until it must act", _state(REQUESTED), replace(DECIDED, server=SUBSTITUTE), COMMIT_UNTIL + TAKEOVER + 1,
     moves.DecryptSum(1)),
    ("a plan can be derived again", _state(DIRECT, withheld=frozenset({Kind.PLAN})), CLOSED, 1_310, moves.Rederive(1)),
    ("one that nobody can read", _state(DIRECT, withheld=frozenset({Kind.PLAN})),
     replace(CLOSED, underivable={1: 9_999}), 1_310, Wait(SETTLE_UNTIL + 1)),
    ("a batch that nobody can read", _state(DIRECT, withheld=frozenset({Kind.BATCH})), CLOSED, 1_310,
     Wait(SETTLE_UNTIL + 1)),
    ("so can a model", _state(PUBLISHED, withheld=frozenset({Kind.MODEL})), _knows(), 1_600, moves.Rederive(1)),
    ("if not, the last one that can be read", _state(PUBLISHED, withheld=frozenset({Kind.MODEL})),
     _knows(underivable={1: 1_660}), 1_600, moves.OpenRound(2, dict.fromkeys(CLIENTS, 3))),
    ("what cannot be derived now is tried again", _state(PUBLISHED, withheld=frozenset({Kind.ALLOCATION})),
     _knows(underivable={1: 1_660}), 1_600, Wait(1_660)),
    ("the next round", _state(PUBLISHED), _knows(), 1_500, moves.OpenRound(2, dict.fromkeys(CLIENTS, 3))),
    ("one who left is not planned", _state(PUBLISHED, _event(Left, client=CLIENTS[0], signature=bytes(65))), _knows(),
     1_500, moves.OpenRound(2, dict.fromkeys(CLIENTS[1:], 3))),
    ("a frozen round paid nobody", _state(PUBLISHED, _event(RoundFrozen, round=1, culprit=EDGE)), _knows(), 1_500,
     moves.OpenRound(2, dict.fromkeys(CLIENTS, 2))),
    ("the task's time is over", _state(PUBLISHED), _knows(), 86_401, Wait(172_801)),
    ("nobody can claim any more", _state(PUBLISHED), _knows(), 172_801, moves.End()),
    ("what failed is not tried at once", _state(OPENED), replace(FULL, not_before={moves.CommitBatch: 1_052}), 1_051,
     Wait(1_052)),
    ("the payout before can still be disputed", _state(SECOND, _event(RoundExpired, round=2)), _knows(), 2_610,
     moves.OpenRound(3, dict.fromkeys(CLIENTS, 3))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "known", "now", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_table(state: TaskState, known: Knowledge, now: int, expected: Move) -> None:
    assert next_move(state, known, now) == expected


def test_one_payout_is_beyond_dispute_before_the_next_round_is_settled() -> None:
    told = ToldTask()
    told.commit(2, CLIENTS, [])
    state = fold(1, told.events)
    for _ in range(3):
        for delivered in told.deliveries(state):
            state = apply(state, delivered)
    state = reduce(apply, [*PACE, BlockMined(told.events[PUBLISHED - 1].block, 2_300)], state)
    known = replace(CLOSED, verdict=replace(NOBODY, label=told.plans[1].label()), summed=True)
    payable = 2_300 + told.spec.durations.dispute_seconds
    assert next_move(state, known, 2_310) == Wait(payable)
    assert next_move(state, known, payable) == moves.Abandon(2)


ACTING = (
    moves.OpenRound, moves.CommitBatch, moves.VerifyUpdates, moves.RequestKey, moves.DecryptSum, moves.Publish,
    moves.Abandon,
)  # fmt: skip
STAGES = [_state(stage) for stage in range(SECOND + 1)]
STAGES += [_state(stage, withheld=frozenset({kind})) for stage in range(ENROLLED, SECOND + 1) for kind in Kind]
TIMES = (
    0, 599, 601, 800, 1_010, 1_041, 1_101, 1_269, 1_296, 1_301, 1_402, 1_596, 1_601, 1_702, 2_010, 2_301, 2_601,
    90_000, 200_000,
)  # fmt: skip


@pytest.mark.parametrize("server", [EDGE, SUBSTITUTE, CLIENTS[0]], ids=["acting", "substitute", "stranger"])
def test_in_every_state_the_move_is_one_that_the_contract_allows(server: bytes) -> None:
    works = [{}, {"closed": True}, {"closed": True, "summed": True}, {"closed": True, "undecryptable": True}]
    works += [{"told": False}, {"closed": True, "summed": True, "opened": True}, {"summed": True}]
    verdicts = (None, ACCEPTED, NOBODY)
    for state, work, verdict, now in product(STAGES, works, verdicts, TIMES):
        known = _knows(server, verdict=verdict, **work)
        move = next_move(state, known, now)
        current = state.current
        match move:
            case Wait(until):
                assert until > now
            case moves.OpenRound(number, cohort):
                assert current is None and number == len(state.rounds) + 1
                assert len(cohort) >= TOLD.spec.cohort.min_clients
            case moves.Expire():
                assert current is not None and now > current.opened.settle_until
            case moves.RequestKey():
                assert current is not None and current.requested is None
                committed = state.committed(current.number)
                assert not isinstance(committed, Absent)
                assert now > current.opened.commit_until or len(committed) == current.opened.cohort
                assert current.batched is None or now > current.batched.object_until
            case moves.Publish() | moves.DecryptSum() | moves.FollowRequest():
                assert current is not None and current.requested is not None
            case moves.Abandon():
                assert current is not None and current.requested is None and now > current.opened.commit_until
        if isinstance(move, ACTING):
            assert now > acts_after(state, server), "only whoever may act does"
