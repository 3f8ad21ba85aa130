"""How long a task takes clients.

given a task with room
    when its first round could be opened, or rounds run
        should enrol whoever comes; the next round may plan them
    when it is over: its last round was opened, its time has passed, or too few had come
        should refuse
given a task that becomes full
    when that is before the end of its enrolment
        should wait for nobody any more, and say so
    when that is later
        should leave the instant alone
given a client that left before the first round
    should be free for another task, and get its stake back, at once
"""

from __future__ import annotations

import pytest

from protocol.cohort import sum_of
from protocol.round.state_table import RoundState
from storage.ledger.signer import Signer
from tests.contracts.bonded import refusal
from tests.contracts.ledger import Refusal
from tests.contracts.scene import PLAN, ZERO, Scene, label_of

STAKE = 9


def enrol_refusal(scene: Scene, client: Signer) -> Refusal:
    message, signature = scene.enrolment(client)
    return refusal(scene, "enrol", [message], [signature], value=scene.terms.stake)


@pytest.mark.parametrize("step", ["at its end", "idle", "open", "requested", "published"])
def test_should_enrol_while_the_task_runs(deployed: Scene, step: str) -> None:
    scene, ledger = deployed, deployed.ledger
    scene.enrolled()
    if step == "at its end":
        ledger.pass_to(ledger.task_view(1).enrol_until)
    elif step == "idle":
        scene.pass_rosters()
    else:
        scene.open()
        if step != "open":
            scene.request()
        if step == "published":
            scene.publish()
    before = ledger.task_view(1)
    event, *_ = scene.enrol(scene.outsider).events
    assert type(event).__name__ == "Enrolled"
    assert ledger.task_view(1).enrolled == before.enrolled + 1
    if step == "published":
        clients = sorted([*scene.clients, scene.outsider], key=lambda one: one.address)
        scene.clients, ours = clients, scene.clients
        try:
            root = sum_of(scene.cohort(4)).root
            scene.by_edge("openRound", 2, PLAN, label_of(2), root, 4)
        finally:
            scene.clients = ours


@pytest.mark.parametrize("reason", ["rounds", "time", "too few"])
def test_should_refuse_when_the_task_is_over(deployed: Scene, reason: str) -> None:
    scene, ledger = deployed, deployed.ledger
    scene.post(rounds=1, max_clients=9)
    if reason == "too few":
        scene.enrol(scene.clients[0])
        ledger.pass_to(ledger.task_view(1).enrol_until + 1)
    else:
        scene.enrol(*scene.clients)
    if reason == "rounds":
        scene.open()  # the last one
    elif reason == "time":
        until = ledger.task_view(1).task_until
        ledger.pass_to(until)
        scene.enrol(ledger.clients[4])
        ledger.pass_to(until + 1)
    assert enrol_refusal(scene, scene.outsider) == ("EnrolmentClosed", 1)


def test_should_wait_for_nobody_when_it_is_full(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    scene.post(max_clients=3)
    first, second, third = scene.clients
    scene.enrol(first, second)
    agreed = ledger.task_view(1).enrol_until
    ledger.pass_to(ledger.now + 100)
    enrolled, full = scene.enrol(third).events
    now = ledger.now
    assert type(enrolled).__name__ == "Enrolled"
    own = {name: getattr(full, name) for name in type(full).__annotations__}
    assert (type(full).__name__, own) == ("EnrolmentFull", {"task": 1, "enrolled": 3, "enrol_until": now})
    assert ledger.task_view(1).enrol_until == now < agreed
    assert enrol_refusal(scene, scene.outsider) == ("EnrolmentClosed", 1)
    call = ("openRound", 1, PLAN, label_of(1), sum_of(scene.cohort()).root, 3)
    assert scene.edge_refusal(*call) == ("EnrolmentOpen", 1, now)
    ledger.pass_to(now + 1)
    assert scene.edge_refusal(*call) == ("TooEarly", now + scene.terms.roster_seconds)
    ledger.pass_to(now + scene.terms.roster_seconds + 1)
    scene.by_edge(*call)


def test_should_leave_the_instant_alone_when_it_is_full_later(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    scene.enrolled().open()
    before = ledger.task_view(1).enrol_until
    assert scene.enrol(scene.outsider).sole()["event"] == "Enrolled"  # the fourth of four
    assert ledger.task_view(1).enrol_until == before
    assert ledger.round_view(1, 1).state is RoundState.OPEN


@pytest.mark.parametrize("opened", [False, True])
def test_should_free_who_left_before_the_first_round(deployed: Scene, opened: bool) -> None:
    scene, ledger, client = deployed, deployed.ledger, deployed.clients[0]
    scene.post(stake=STAKE)
    messages, signatures = scene.enrol_call(*scene.clients)
    scene.by(ledger.stranger, "enrol", messages, signatures, value=3 * STAKE)
    pending = ("ReputationPending", client.address, 1)
    assert refusal(scene, "returnStake", 1, client.address) == pending
    if opened:
        scene.open()
    scene.by(ledger.stranger, "leave", *scene.leave_call(client))
    scene.post(stake=0)
    scene.task = 2
    if opened:  # the round may have planned it
        assert refusal(scene, "returnStake", 1, client.address) == pending
        assert enrol_refusal(scene, client) == pending
        return
    event = scene.by(ledger.stranger, "returnStake", 1, client.address).sole()
    assert event == {"event": "StakeReturned", "task": 1, "client": client.address, "amount": STAKE}
    assert ledger.balance(client.address) == STAKE
    assert scene.enrol(client).sole()["reputation"] == 2
    assert refusal(scene, "returnStake", 1, client.address) == ("NothingToPay", 1, client.address)
    assert ledger.enrolment_view(2, client).envelope != ZERO
