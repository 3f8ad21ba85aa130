"""openRound, requestKey and expireRound.

given a task whose enrolment may still grow
    when its edge server opens a round
        should refuse
given a task whose enrolment is over
    when another party opens a round
        should refuse
    when the round is not the next one, or a round is running, or all were held
        should refuse, naming the state of the round in the way
    when plan, label or the root of the cohort is missing, or the cohort smaller than agreed or larger than the enrolled
        should refuse
    when the task ends this very second
        should open it; one second later refuse
    when all is well
        should fix the two deadlines and emit RoundOpened
given an open round
    when the key is requested before commitUntil
        should refuse, unless batched and direct commitments reach the cohort
    when it is requested after commitUntil and until settleUntil
        should fix the request, once
    when settleUntil has passed
        should refuse the request and let anyone expire the round, without payment
"""

from __future__ import annotations

from typing import Final

import pytest

from protocol.cohort import sum_of
from protocol.messages.chain import RoundView
from protocol.round.state_table import RoundState
from tests.contracts.scene import PLAN, REQUEST, ROOT, ZERO, Scene, label_of

CALLS: Final[dict[str, tuple[object, ...]]] = {
    "openRound": (1, 2, PLAN, label_of(2), ROOT, 3),
    "commitBatch": (1, 1, PLAN, PLAN, 3),
    "requestScreening": (1, 1, 1, 0, REQUEST),
    "requestKey": (1, 1, REQUEST),
    "publishRound": (1, 1, (PLAN, PLAN, PLAN, 0, 0, 0)),
    "abandonRound": (1, 1, PLAN, PLAN, 0),
}


def open_call(number: int = 1, cohort: int = 3) -> tuple[str, int, bytes, bytes, bytes, int]:
    return "openRound", number, PLAN, label_of(number), ROOT, cohort


def test_should_wait_for_the_end_of_enrolment(enrolled: Scene) -> None:
    ledger = enrolled.ledger
    until = ledger.task_view(1).enrol_until
    assert enrolled.edge_refusal(*open_call()) == ("EnrolmentOpen", 1, until)
    ledger.pass_to(until)
    assert enrolled.edge_refusal(*open_call()) == ("EnrolmentOpen", 1, until)
    ledger.pass_to(until + 1)
    assert enrolled.edge_refusal(*open_call()) == ("TooEarly", until + 50)  # for rosters
    ledger.pass_to(until + 51)
    enrolled.by_edge(*open_call())


def test_should_open_the_next_round_and_show_it(enrolled: Scene) -> None:
    event, root = enrolled.open().sole(), sum_of(enrolled.cohort()).root
    now = enrolled.ledger.now
    assert event == {
        "event": "RoundOpened", "task": 1, "round": 1, "plan": PLAN, "label": label_of(1),
        "cohort_root": root, "cohort": 3, "beacon": ZERO, "commit_until": now + 300, "settle_until": now + 500,
    }  # fmt: skip
    shown = RoundView(label_of(1), root, ZERO, ZERO, RoundState.OPEN, 3, 0, 0, now + 300, now + 500, 0, 0, ZERO)
    assert enrolled.ledger.round_view(1, 1) == shown
    assert enrolled.ledger.task_view(1).last_round == 1


@pytest.mark.parametrize("name", CALLS)
def test_should_obey_the_edge_server_only(requested: Scene, name: str) -> None:
    ledger = requested.ledger
    for sender in (ledger.manufacturer, ledger.stranger, requested.clients[0]):
        refusal = ledger.refusal(sender, name, *CALLS[name])
        assert refusal == ("NotEdgeServer", sender.address, ledger.edge.address)


def test_should_refuse_every_number_but_the_next(enrolled: Scene) -> None:
    enrolled.pass_rosters()
    for number in (0, 2, 2**32 + 1, 2**64 - 1):
        call = ("openRound", number, PLAN, label_of(1), ROOT, 3)
        assert enrolled.edge_refusal(*call) == ("RoundUnexpected", 1, number, RoundState.NONE)
    enrolled.open()
    for number in (1, 2):
        assert enrolled.edge_refusal(*open_call(number)) == ("RoundUnexpected", 1, number, RoundState.OPEN)
    enrolled.request()
    assert enrolled.edge_refusal(*open_call(2)) == ("RoundUnexpected", 1, 2, RoundState.REQUESTED)
    enrolled.publish()
    assert enrolled.edge_refusal(*open_call(1)) == ("RoundUnexpected", 1, 1, RoundState.PUBLISHED)
    enrolled.open(2)


def test_should_refuse_more_rounds_than_agreed(enrolled: Scene) -> None:
    for number in (1, 2, 3):
        enrolled.open(number)
        enrolled.request(number)
        enrolled.publish(number)
    assert enrolled.edge_refusal(*open_call(4)) == ("RoundUnexpected", 1, 4, RoundState.PUBLISHED)


def test_should_refuse_a_wrong_cohort_or_a_missing_digest(enrolled: Scene) -> None:
    enrolled.pass_rosters()
    for cohort in (0, 1, 4, 2**32 - 1):
        assert enrolled.edge_refusal(*open_call(cohort=cohort)) == ("CohortWrong", cohort, 2, 3)
    assert enrolled.edge_refusal("openRound", 1, ZERO, label_of(1), ROOT, 3) == ("DigestZero",)
    assert enrolled.edge_refusal("openRound", 1, PLAN, ZERO, ROOT, 3) == ("DigestZero",)
    assert enrolled.edge_refusal("openRound", 1, PLAN, label_of(1), ZERO, 3) == ("DigestZero",)
    enrolled.open(cohort=2)


def test_should_open_until_the_last_second_of_the_task(enrolled: Scene) -> None:
    until = enrolled.ledger.task_view(1).task_until
    enrolled.ledger.pass_to(until + 1)
    assert enrolled.edge_refusal(*open_call()) == ("TooLate", until)


def test_should_open_in_the_last_second_of_the_task(enrolled: Scene) -> None:
    enrolled.ledger.pass_to(enrolled.ledger.task_view(1).task_until)
    enrolled.by_edge(*open_call())


def test_should_not_race_clients_out_of_a_round(opened: Scene) -> None:
    ledger, until = opened.ledger, opened.ledger.round_view(1, 1).commit_until
    call: tuple[str, int, bytes] = ("requestKey", 1, REQUEST)
    assert opened.edge_refusal(*call) == ("TooEarly", until)
    opened.commit_batch(count=2)
    assert opened.edge_refusal(*call) == ("TooEarly", until)
    ledger.pass_to(until)
    assert opened.edge_refusal(*call) == ("TooEarly", until)
    opened.by(ledger.stranger, "commitDirect", *opened.direct(opened.clients[2]))
    opened.by_edge(*call)


def test_should_fix_one_request(opened: Scene) -> None:
    opened.pass_after(opened.ledger.round_view(1, 1).commit_until)
    assert opened.edge_refusal("requestKey", 1, ZERO) == ("DigestZero",)
    event = opened.by_edge("requestKey", 1, REQUEST).sole()
    assert event == {"event": "KeyRequested", "task": 1, "round": 1, "request": REQUEST}
    shown = opened.ledger.round_view(1, 1)
    assert (shown.state, shown.request) == (RoundState.REQUESTED, REQUEST)
    assert opened.edge_refusal("requestKey", 1, PLAN) == ("RoundUnexpected", 1, 1, RoundState.REQUESTED)
    assert opened.edge_refusal("requestKey", 2, PLAN) == ("RoundUnexpected", 1, 2, RoundState.NONE)


def test_should_take_the_request_until_settle_until(opened: Scene) -> None:
    until = opened.ledger.round_view(1, 1).settle_until
    opened.ledger.pass_to(until + 1)
    assert opened.edge_refusal("requestKey", 1, REQUEST) == ("TooLate", until)


def test_should_take_the_request_at_settle_until(opened: Scene) -> None:
    opened.ledger.pass_to(opened.ledger.round_view(1, 1).settle_until)
    opened.by_edge("requestKey", 1, REQUEST)


@pytest.mark.parametrize("step", ["opened", "requested"])
def test_should_let_anyone_expire_what_the_edge_server_left(deployed: Scene, step: str) -> None:
    scene: Scene = getattr(deployed, step)()
    ledger, until = scene.ledger, scene.ledger.round_view(1, 1).settle_until
    ledger.pass_to(until)
    assert ledger.refusal(ledger.stranger, "expireRound", 1, 1) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    event = scene.by(ledger.stranger, "expireRound", 1, 1).sole()
    assert event == {"event": "RoundExpired", "task": 1, "round": 1}
    assert ledger.round_view(1, 1).state is RoundState.EXPIRED
    assert ledger.task_view(1).pending_allocated == 0
    assert ledger.refusal(ledger.stranger, "expireRound", 1, 1) == ("RoundUnexpected", 1, 1, RoundState.EXPIRED)
    scene.open(2)
