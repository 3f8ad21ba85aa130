"""A task for which too few servers or authorities are left.

given a task whose servers are all convicted, or whose authorities are, down to fewer than a key takes
    when the last of them is
        should say that the task is stopped, close its enrolment and let it be wound up at once
        should pay what was earned before, and keep back what is owed
    when a round is to be opened or drawn, or a key requested all the same
        should refuse, so that nothing is promised that the refund has taken
given a task with as many left as it takes
    should go on
"""

from __future__ import annotations

import pytest

from protocol.round.state_table import RoundState
from storage.ledger.signer import Signer
from tests.contracts.accusations import AUTHORITIES, keys, statements
from tests.contracts.bonded import (
    AUTHORITY_BOND,
    CONTRIBUTION,
    EDGE_BOND,
    PARTICIPATION,
    bonded,
    commit_all,
    compensate,
    expire,
    refusal,
)
from tests.contracts.scene import BATCH, PLAN, RECORD, REQUEST, ROOT, Scene, label_of


def convict(scene: Scene, *authorities: Signer) -> None:
    for authority in authorities:
        scene.by(scene.ledger.stranger, "dispute", keys(scene, authority, residues=BATCH))


def wind_up(scene: Scene, owed: int) -> None:
    """At once, long before its last instant."""
    ledger = scene.ledger
    assert ledger.task_view(1).stopped
    assert ledger.now < ledger.task_view(1).task_until
    outsider = scene.enrolment(scene.outsider)
    assert refusal(scene, "enrol", [outsider[0]], [outsider[1]]) == ("EnrolmentClosed", 1)
    scene.by(ledger.stranger, "refund", 1)
    shown = ledger.task_view(1)
    assert shown.escrow == owed
    for holder in (*scene.terms.edge_servers, *scene.terms.authorities):
        if ledger.view("bondOf", 1, holder)[3]:
            scene.by(ledger.stranger, "returnBond", 1, holder)
    assert ledger.task_view(1).deposits == ledger.view("creditOf", 1, ledger.stranger.address)
    assert ledger.balance(ledger.address) == owed + ledger.task_view(1).deposits


def test_should_end_when_no_server_is_left(deployed: Scene) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    scene.open()
    batch = commit_all(scene)
    scene.by(ledger.stranger, "dispute", statements(scene))
    assert not ledger.task_view(1).stopped
    assert refusal(scene, "refund", 1)[0] == "TooEarly"
    waits = scene.terms.roster_seconds + scene.terms.takeover_seconds
    ledger.pass_to(ledger.round_view(1, 1).settle_until + waits + 1)
    scene.by(ledger.substitute, "openRound", 1, 2, PLAN, label_of(2), ROOT, 3)
    scene.by(ledger.stranger, "dispute", statements(scene, server=ledger.substitute, number=2))
    wind_up(scene, owed=3 * PARTICIPATION)
    for client in scene.clients:
        compensate(scene, client, batch)
    assert ledger.task_view(1).escrow == 0


@pytest.mark.parametrize("bond", [AUTHORITY_BOND, 0])
def test_should_end_when_too_few_authorities_are_left(deployed: Scene, bond: int) -> None:
    free = {"participation": 0, "edge_bond": 0, "dispute_seconds": 0}
    scene, ledger = bonded(deployed, authority_bond=bond, **free), deployed.ledger
    scene.open()
    scene.request()
    scene.publish()
    convict(scene, AUTHORITIES[0])
    assert not ledger.task_view(1).stopped
    assert refusal(scene, "refund", 1)[0] == "TooEarly"
    convict(scene, AUTHORITIES[1])
    wind_up(scene, owed=3 * CONTRIBUTION)
    scene.claim_many(*scene.clients)
    assert [ledger.balance(client.address) for client in scene.clients] == [CONTRIBUTION] * 3
    call = ("openRound", 2, PLAN, label_of(2), ROOT, 3)
    assert scene.edge_refusal(*call) == ("BondMissing", 1, bytes(20))


@pytest.mark.parametrize("bond", [AUTHORITY_BOND, 0])
def test_should_request_no_key_that_nobody_can_issue(deployed: Scene, bond: int) -> None:
    scene, ledger = bonded(deployed, authority_bond=bond), deployed.ledger
    scene.open()
    commit_all(scene)
    convict(scene, *AUTHORITIES[:2])
    assert refusal(scene, "refund", 1)[0] == "TooEarly"  # the round runs
    ledger.pass_to(ledger.round_view(1, 1).commit_until + 1)
    assert scene.edge_refusal("requestKey", 1, REQUEST) == ("BondMissing", 1, bytes(20))
    assert scene.edge_refusal("requestScreening", 1, 1, 0, REQUEST) == ("BondMissing", 1, bytes(20))
    scene.by_edge("abandonRound", 1, RECORD, ROOT, 3 * PARTICIPATION)
    scene.by(ledger.stranger, "refund", 1)
    assert ledger.task_view(1).escrow == 3 * PARTICIPATION


def test_should_draw_nobody_for_a_round_that_does_not_come(deployed: Scene) -> None:
    scene = bonded(deployed, max_cohort=2, authority_bond=0)
    scene.pass_rosters()
    convict(scene, *AUTHORITIES[:2])
    assert scene.edge_refusal("drawCohort") == ("BondMissing", 1, bytes(20))


def test_should_go_on_with_as_many_as_it_takes(deployed: Scene) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    convict(scene, AUTHORITIES[0])
    scene.open()
    scene.request()
    scene.publish()
    assert ledger.round_view(1, 1).state is RoundState.PUBLISHED


def test_should_stop_a_task_whose_only_server_left_a_round_alone(deployed: Scene) -> None:
    scene, ledger = bonded(deployed, edge_servers=(deployed.ledger.edge.address,)), deployed.ledger
    scene.open()
    commit_all(scene)
    expire(scene)
    before = ledger.balance(ledger.edge.address)
    wind_up(scene, owed=3 * PARTICIPATION)
    assert ledger.balance(ledger.edge.address) == before + EDGE_BOND - 3 * PARTICIPATION
