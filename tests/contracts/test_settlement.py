"""publishRound and abandonRound.

given a round whose key was requested
    when its edge server publishes it until settleUntil
        should keep allocation and root and emit RoundPublished
    when model, record or root is missing, or it is late
        should refuse
    when the cumulative allocation shrinks, or grows by more than cohort * updateReward
        should refuse, naming the bounds
given a round that is open
    when it is abandoned before commitUntil
        should refuse
    when it is abandoned from then until settleUntil
        should pay those who delivered and emit RoundAbandoned
"""

from __future__ import annotations

import pytest

from protocol.messages.chain import Publication
from protocol.round_state import RoundState
from tests.contracts.scene import MODEL, RECORD, REWARD, ROOT, ZERO, Scene, publication


def test_should_publish_and_show_it(requested: Scene) -> None:
    event = requested.publish().sole()
    root = requested.ledger.task_view(1).allocation_root
    expected = Publication(MODEL, RECORD, root, 3 * REWARD, 8, 10)
    assert event["event"] == "RoundPublished"
    assert {name: event[name] for name in Publication.__slots__} == {
        name: getattr(expected, name) for name in Publication.__slots__
    }
    assert requested.ledger.round_view(1, 1).state is RoundState.PUBLISHED
    assert requested.ledger.task_view(1).allocated == 3 * REWARD
    refusal = requested.edge_refusal("publishRound", 1, publication(ROOT, 3 * REWARD))
    assert refusal == ("RoundUnexpected", 1, 1, RoundState.PUBLISHED)


def test_should_refuse_what_is_missing(requested: Scene) -> None:
    for call in (publication(ZERO, 0), publication(ROOT, 0, model=ZERO), publication(ROOT, 0, record=ZERO)):
        assert requested.edge_refusal("publishRound", 1, call) == ("DigestZero",)
    assert requested.edge_refusal("abandonRound", 1, ZERO, ROOT, 0) == ("DigestZero",)
    assert requested.edge_refusal("abandonRound", 1, RECORD, ZERO, 0) == ("DigestZero",)


def test_should_not_publish_what_no_key_was_requested_for(opened: Scene) -> None:
    refusal = opened.edge_refusal("publishRound", 1, publication(ROOT, 0))
    assert refusal == ("RoundUnexpected", 1, 1, RoundState.OPEN)


def test_should_bound_the_allocation_of_every_round(published: Scene) -> None:
    published.open(2, cohort=2)
    published.request(2, count=2)
    low, high = 3 * REWARD, 5 * REWARD
    for allocated in (0, low - 1, high + 1, 2**128 - 1):
        expected = ("AllocationWrong", allocated, low, high)
        assert published.edge_refusal("publishRound", 2, publication(ROOT, allocated)) == expected
        assert published.edge_refusal("abandonRound", 2, RECORD, ROOT, allocated) == expected
    published.by_edge("publishRound", 2, publication(ROOT, high))
    published.open(3, cohort=2)
    published.request(3, count=2)
    published.by_edge("publishRound", 3, publication(ROOT, high))


@pytest.mark.parametrize("late", [False, True])
def test_should_settle_until_settle_until(requested: Scene, late: bool) -> None:
    until = requested.ledger.round_view(1, 1).settle_until
    requested.ledger.pass_to(until + late)
    if late:
        assert requested.edge_refusal("publishRound", 1, publication(ROOT, 0)) == ("TooLate", until)
        assert requested.edge_refusal("abandonRound", 1, RECORD, ROOT, 0) == ("TooLate", until)
    else:
        requested.publish()


def test_should_abandon_an_open_round_only_after_commit_until(opened: Scene) -> None:
    until = opened.ledger.round_view(1, 1).commit_until
    opened.ledger.pass_to(until)
    assert opened.edge_refusal("abandonRound", 1, RECORD, ROOT, 0) == ("TooEarly", until)
    opened.ledger.pass_to(until + 1)
    event = opened.abandon(paid=opened.clients[:1]).sole()
    root = opened.ledger.task_view(1).allocation_root
    assert event == {
        "event": "RoundAbandoned",
        "task": 1,
        "round": 1,
        "record": RECORD,
        "allocation_root": root,
        "allocated": REWARD,
    }
    assert opened.ledger.round_view(1, 1).state is RoundState.ABANDONED
    opened.claim(opened.clients[0])
    refusal = opened.edge_refusal("abandonRound", 1, RECORD, ROOT, REWARD)
    assert refusal == ("RoundUnexpected", 1, 1, RoundState.ABANDONED)
    opened.open(2)


def test_should_abandon_a_requested_round_at_once(requested: Scene) -> None:
    requested.abandon()
    assert requested.ledger.round_view(1, 1).state is RoundState.ABANDONED
