"""publishRound and abandonRound.

given a round whose key was requested
    when its edge server publishes it until settleUntil
        should keep allocation and root and emit RoundPublished
    when model, record or root is missing, or it is late
        should refuse
    when the cumulative allocation shrinks, or grows by more than the cohort's rewards and the fees
        should refuse, naming the bounds
    when it is abandoned
        should refuse: its sum may be open
given a round that is open
    when it is abandoned before commitUntil
        should refuse
    when it is abandoned from then until settleUntil
        should pay those who delivered their participation at most, and emit RoundAbandoned
given a task with a dispute window
    when a round is settled
        should let nobody claim from its tree before the window is over, and from the one before meanwhile
    when the next round is settled inside it
        should refuse, and settle it afterwards
    when the task is over inside it
        should refund all but the payout that may still stand
"""

from __future__ import annotations

import pytest

from protocol.messages.chain import Publication
from protocol.round.state_table import RoundState
from tests.contracts.bonded import AUTHORITY_FEE, CONTRIBUTION, EDGE_BOND, EDGE_FEE, PARTICIPATION, bonded
from tests.contracts.scene import MODEL, RECORD, REWARD, ROOT, ZERO, Scene, publication


def test_should_publish_and_show_it(requested: Scene) -> None:
    event = requested.publish().sole()
    root = requested.ledger.task_view(1).pending_root
    expected = Publication(MODEL, RECORD, root, 3 * REWARD, 8, 10)
    assert event["event"] == "RoundPublished"
    assert {name: event[name] for name in Publication.__slots__} == {
        name: getattr(expected, name) for name in Publication.__slots__
    }
    assert requested.ledger.round_view(1, 1).state is RoundState.PUBLISHED
    assert requested.ledger.task_view(1).pending_allocated == 3 * REWARD
    refusal = requested.edge_refusal("publishRound", 1, publication(ROOT, 3 * REWARD))
    assert refusal == ("RoundUnexpected", 1, 1, RoundState.PUBLISHED)


def test_should_refuse_what_is_missing(requested: Scene) -> None:
    for call in (publication(ZERO, 0), publication(ROOT, 0, model=ZERO), publication(ROOT, 0, record=ZERO)):
        assert requested.edge_refusal("publishRound", 1, call) == ("DigestZero",)


def test_should_abandon_with_a_record_and_a_tree(opened: Scene) -> None:
    opened.pass_after(opened.ledger.round_view(1, 1).commit_until)
    assert opened.edge_refusal("abandonRound", 1, ZERO, ROOT, 0) == ("DigestZero",)
    assert opened.edge_refusal("abandonRound", 1, RECORD, ZERO, 0) == ("DigestZero",)


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
    published.by_edge("publishRound", 2, publication(ROOT, high))
    published.open(3, cohort=2)
    published.request(3, count=2)
    published.by_edge("publishRound", 3, publication(ROOT, high))


@pytest.mark.parametrize("abandoned", [False, True])
def test_should_pay_fees_for_a_model_and_participation_for_none(deployed: Scene, abandoned: bool) -> None:
    scene = bonded(deployed)
    scene.open()
    most = 3 * PARTICIPATION
    if abandoned:
        scene.pass_after(scene.ledger.round_view(1, 1).commit_until)
    else:
        scene.request()
        most += 3 * CONTRIBUTION + EDGE_FEE + 3 * AUTHORITY_FEE

    def call(allocated: int) -> tuple[object, ...]:
        return (1, RECORD, ROOT, allocated) if abandoned else (1, publication(ROOT, allocated))

    name = "abandonRound" if abandoned else "publishRound"
    assert scene.edge_refusal(name, *call(most + 1)) == ("AllocationWrong", most + 1, 0, most)
    scene.by_edge(name, *call(most))


@pytest.mark.parametrize("late", [False, True])
def test_should_settle_until_settle_until(requested: Scene, late: bool) -> None:
    until = requested.ledger.round_view(1, 1).settle_until
    requested.ledger.pass_to(until + late)
    if late:
        assert requested.edge_refusal("publishRound", 1, publication(ROOT, 0)) == ("TooLate", until)
    else:
        requested.publish()


def test_should_abandon_until_settle_until(opened: Scene) -> None:
    until = opened.ledger.round_view(1, 1).settle_until
    opened.ledger.pass_to(until + 1)
    assert opened.edge_refusal("abandonRound", 1, RECORD, ROOT, 0) == ("TooLate", until)


def test_should_abandon_an_open_round_only_after_commit_until(deployed: Scene) -> None:
    deployed.post(participation=PARTICIPATION, contribution=0, edge_bond=EDGE_BOND)
    deployed.by(deployed.ledger.stranger, "placeBond", 1, deployed.ledger.edge.address, value=EDGE_BOND)
    deployed.enrol(*deployed.clients)
    deployed.open()
    opened, until = deployed, deployed.ledger.round_view(1, 1).commit_until
    opened.ledger.pass_to(until)
    assert opened.edge_refusal("abandonRound", 1, RECORD, ROOT, 0) == ("TooEarly", until)
    opened.ledger.pass_to(until + 1)
    event = opened.abandon(paid=opened.clients[:1]).sole()
    root = opened.ledger.task_view(1).pending_root
    assert event == {
        "event": "RoundAbandoned",
        "task": 1,
        "round": 1,
        "record": RECORD,
        "allocation_root": root,
        "allocated": PARTICIPATION,
    }
    assert opened.ledger.round_view(1, 1).state is RoundState.ABANDONED
    opened.claim(opened.clients[0])
    refusal = opened.edge_refusal("abandonRound", 1, RECORD, ROOT, PARTICIPATION)
    assert refusal == ("RoundUnexpected", 1, 1, RoundState.ABANDONED)
    opened.open(2)


def test_should_not_abandon_what_a_key_was_requested_for(requested: Scene) -> None:
    """Whoever has the key may have opened the sum: it costs what publishing costs."""
    for instant in (requested.ledger.now, requested.ledger.round_view(1, 1).commit_until + 1):
        requested.ledger.pass_to(instant)
        refusal = requested.edge_refusal("abandonRound", 1, RECORD, ROOT, 0)
        assert refusal == ("RoundUnexpected", 1, 1, RoundState.REQUESTED)


def windowed(scene: Scene) -> Scene:
    scene.post(dispute_seconds=200)
    scene.enrol(*scene.clients)
    scene.open()
    scene.request()
    scene.publish()
    return scene


def test_should_pay_a_round_when_its_window_is_over(deployed: Scene) -> None:
    scene, ledger = windowed(deployed), deployed.ledger
    first, until = scene.clients[0], ledger.task_view(1).payable_from
    assert until == ledger.now + 200
    ledger.pass_to(until - 1)
    old = scene.claim_call(first)
    assert ledger.refusal(ledger.stranger, "claim", *old) == ("ProofInvalid", 1, first.address)
    ledger.pass_to(until)
    scene.claim(first)
    scene.open(2)
    scene.request(2)
    second = scene.clients[1]
    before = scene.claim_call(second)
    scene.publish(2)
    scene.by(ledger.stranger, "claim", *before)
    assert ledger.balance(second.address) == REWARD
    scene.pass_window()
    scene.claim(second)
    assert ledger.balance(second.address) == 2 * REWARD
    assert ledger.refusal(ledger.stranger, "claim", *before)[0] == "ProofInvalid"


def test_should_settle_one_round_after_the_other(deployed: Scene) -> None:
    scene, ledger = windowed(deployed), deployed.ledger
    scene.open(2)
    scene.request(2)
    until = ledger.task_view(1).payable_from
    ledger.pass_to(until - 1)
    assert scene.edge_refusal("publishRound", 2, publication(ROOT, 0)) == ("TooEarly", until)
    ledger.pass_to(until)
    scene.publish(2)
    shown = ledger.task_view(1)
    assert (shown.allocated, shown.pending_allocated, shown.pending_round) == (3 * REWARD, 6 * REWARD, 2)


def test_should_keep_back_a_payout_that_may_stand(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    scene.post(rounds=1, dispute_seconds=200)
    scene.enrol(*scene.clients)
    scene.open()
    scene.request()
    scene.publish()
    event = scene.by(ledger.stranger, "refund", 1).sole()
    assert event["amount"] == scene.escrow() - 3 * REWARD
    scene.pass_window()
    scene.claim_many(*scene.clients)
    assert ledger.balance(ledger.address) == 0
