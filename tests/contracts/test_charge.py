"""expireRound: what a round costs the server that leaves it alone.

given an open round in which somebody committed
    when it expires
        should end the acting server's role, and take what is owed out of its bond into the escrow
        should return the rest of the bond later
        should let a substitute go on
    when the task has ended in between
        should not have returned the bond before
    when a substitute had taken over
        should charge that one
given an open round in which nobody committed, or one whose key was requested
    should charge nobody
given a server that was convicted already
    should charge nobody twice
"""

from __future__ import annotations

import pytest

from protocol.cohort import sum_of
from protocol.messages.chain import BondForfeited, BondView, RoundExpired
from protocol.round.state_table import RoundState
from tests.contracts.bonded import (
    CONTRIBUTION,
    EDGE_BOND,
    PARTICIPATION,
    bonded,
    commit_all,
    expire,
    refusal,
    request,
)
from tests.contracts.scene import PLAN, ROOT, Scene, label_of


@pytest.mark.parametrize("committed", ["batch", "directly"])
def test_should_charge_the_server_that_left_it(deployed: Scene, committed: str) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    edge = ledger.edge.address
    scene.open()
    if committed == "batch":
        commit_all(scene)
    else:
        scene.by(ledger.stranger, "commitDirect", *scene.direct(scene.clients[0]))
    owed = (3 if committed == "batch" else 1) * PARTICIPATION
    before = ledger.task_view(1)
    expired, forfeited = expire(scene).events
    assert isinstance(expired, RoundExpired) and isinstance(forfeited, BondForfeited)
    said = (forfeited.holder, forfeited.reporter, forfeited.amount, forfeited.share)
    assert said == (edge, bytes(20), owed, 0)
    shown = ledger.task_view(1)
    assert (shown.reserved, shown.escrow, shown.deposits) == (owed, before.escrow + owed, before.deposits - owed)
    assert BondView(*ledger.view("bondOf", 1, edge)) == BondView(0, 0, True, EDGE_BOND - owed, 0)
    assert scene.edge_refusal("openRound", 2, PLAN, label_of(2), ROOT, 3) == ("NotEdgeServer", edge, edge)
    assert ledger.balance(ledger.address) == shown.escrow + shown.deposits
    goes_on(scene)
    scene.pass_after(ledger.task_view(1).task_until)
    scene.pass_after(ledger.round_view(1, 2).settle_until)
    scene.by(ledger.stranger, "expireRound", 1, 2)  # nobody committed
    event = scene.by(ledger.stranger, "returnBond", 1, edge).sole()
    assert event["amount"] == EDGE_BOND - owed
    assert refusal(scene, "placeBond", 1, edge, value=EDGE_BOND) == ("BondUnexpected", 1, edge)


def goes_on(scene: Scene) -> None:
    """With the substitute, once it may take over."""
    ledger = scene.ledger
    waits = scene.terms.roster_seconds + scene.terms.takeover_seconds
    ledger.pass_to(ledger.round_view(1, 1).settle_until + waits + 1)
    call = (2, PLAN, label_of(2), sum_of(scene.cohort()).root, 3)
    scene.by(ledger.substitute, "openRound", 1, *call)
    assert ledger.round_view(1, 2).state is RoundState.OPEN


def test_should_charge_who_is_acting(deployed: Scene) -> None:
    """The substitute took the round over, and left it in its turn."""
    scene, ledger = bonded(deployed), deployed.ledger
    scene.open()
    commit_all(scene)
    ledger.pass_to(ledger.round_view(1, 1).commit_until + scene.terms.takeover_seconds + 1)
    snapshot = ledger.chain.snapshot()
    scene.by(ledger.substitute, "requestKey", 1, 1, ROOT)
    assert [type(event) for event in expire(scene).events] == [RoundExpired]
    ledger.chain.revert(snapshot)
    _, forfeited = expire(scene).events
    assert isinstance(forfeited, BondForfeited) and forfeited.holder == ledger.edge.address


def test_should_return_no_bond_before(deployed: Scene) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    scene.open()
    commit_all(scene)
    scene.pass_after(ledger.task_view(1).task_until)
    assert refusal(scene, "returnBond", 1, ledger.edge.address)[0] == "TooEarly"
    _, forfeited = expire(scene).events
    assert isinstance(forfeited, BondForfeited) and forfeited.amount == 3 * PARTICIPATION


def test_should_charge_nobody_where_nobody_committed(deployed: Scene) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    scene.open()
    assert [type(event) for event in expire(scene).events] == [RoundExpired]
    assert ledger.task_view(1).reserved == 0
    scene.open(2)


def test_should_charge_nobody_after_a_request(deployed: Scene) -> None:
    """The authorities may be the reason; the clients get all of their reward, out of the escrow."""
    scene, ledger = bonded(deployed), deployed.ledger
    scene.open()
    commit_all(scene)
    request(scene)
    before = ledger.task_view(1)
    assert [type(event) for event in expire(scene).events] == [RoundExpired]
    shown = ledger.task_view(1)
    assert (shown.reserved, shown.escrow, shown.deposits) == (
        3 * (PARTICIPATION + CONTRIBUTION),
        before.escrow,
        before.deposits,
    )
    assert ledger.view("bondOf", 1, ledger.edge.address)[0] == 1
    scene.open(2)
