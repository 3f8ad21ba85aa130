"""Reputation: settled by claims, carried from task to task, and not to be shed.

given a client of a task that is not over
    when it enrols in another one
        should refuse, also after claims: an address works for one task at a time
given a task that is over
    when anyone applies the client's last leaf
        should free it, also when nothing is to be paid, and let it start from there
    when nobody does
        should refuse its next enrolment until the claim period is over
    when the task never had a tree
        should let it enrol
given a client that left
    when the round at its leave is final and its leaf is applied
        should free it before the task is over, whatever runs by then
    when that round is still running
        should pay it, and not free it
given a reputation below the floor
    when time passes
        should gain one per waiting period, up to the floor
    when a task wants more
        should refuse
given a leaf above the ledger's maximum
    should refuse
given an address without a standing, and a task that grades it above the floor
    should believe the floor at once, and one more after each waiting period, whatever the leaf says
given a leaf below the standing
    should take it whole and at once
given a task that lists whose word it takes
    when the standing is somebody else's
        should start at the task's initial reputation, and believe no more than of a fresh address
    when it is below the floor
        should count it all the same
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace
from typing import Any

import pytest

from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages.chain import DEFAULT_RULES, Standing
from protocol.messages.settlement import Allocation, Entitlement
from storage.ledger.signer import Signer
from tests.contracts.ledger import Ledger
from tests.contracts.scene import REWARD, Scene, publication


def graded(scene: Scene, client: Signer, grade: int, amount: int = 0, number: int = 1) -> tuple[object, ...]:
    """Publishes a tree whose leaf of ``client`` has this grade; its claim."""
    entries = [Entitlement(one.address, amount if one is client else 0, grade) for one in scene.clients]
    allocation = Allocation(scene.task, number, tuple(entries))
    scene.by_edge("publishRound", number, publication(allocation_root(allocation), 3 * REWARD))
    proven = claim_proof(allocation, client.address)
    return scene.task, (proven.index, *astuple(proven.entitlement)), proven.proof


def another_task(scene: Scene, **changes: Any) -> None:
    scene.post(**changes)
    scene.task = scene.ledger.view("taskCount")


def refusal(scene: Scene, client: Signer) -> tuple[object, ...]:
    message, signature = scene.enrolment(client)
    return scene.ledger.refusal(scene.ledger.stranger, "enrol", [message], [signature])


def over(scene: Scene) -> None:
    scene.pass_after(scene.ledger.task_view(scene.task).task_until)


def test_should_work_for_one_task_at_a_time(published: Scene) -> None:
    client = published.clients[0]
    event = published.claim(client).sole()
    assert not event["freed"]
    another_task(published)
    assert refusal(published, client) == ("ReputationPending", client.address, 1)


@pytest.mark.parametrize("amount", [0, REWARD])
def test_should_free_the_client_of_an_ended_task(requested: Scene, amount: int) -> None:
    ledger, client = requested.ledger, requested.clients[0]
    call = graded(requested, client, 1, amount)
    over(requested)
    another_task(requested)
    assert refusal(requested, client) == ("ReputationPending", client.address, 1)
    assert requested.by(ledger.stranger, "claim", *call).sole()["freed"]
    assert ledger.standing(client) == Standing(1, ledger.now, 0, 1)
    requested.enrol(client)
    assert ledger.enrolment_view(2, client).reputation == 1
    assert ledger.refusal(ledger.stranger, "claim", *call) == ("NothingToPay", 1, client.address)
    assert ledger.standing(client).task == 2


def test_should_hold_nobody_for_ever(requested: Scene) -> None:
    """An edge server that leaves a client out of its tree."""
    client = requested.clients[0]
    requested.by_edge("publishRound", 1, publication(b"\x77" * 32, 0))
    requested.ledger.pass_to(requested.ledger.task_view(1).claim_until)
    another_task(requested)
    assert refusal(requested, client) == ("ReputationPending", client.address, 1)
    requested.ledger.pass_to(requested.ledger.now + 1)
    requested.enrol(client)


def test_should_not_hold_who_never_had_a_leaf(opened: Scene) -> None:
    client = opened.clients[0]
    opened.pass_after(opened.ledger.round_view(1, 1).settle_until)
    opened.by_edge("expireRound", 1)
    another_task(opened)
    assert refusal(opened, client) == ("ReputationPending", client.address, 1)
    opened.task = 1
    over(opened)
    another_task(opened)
    opened.enrol(client)


def test_should_free_who_left_once_its_last_round_is_final(deployed: Scene) -> None:
    deployed.post(dispute_seconds=100)
    deployed.enrol(*deployed.clients)
    deployed.open()
    client, ledger = deployed.clients[0], deployed.ledger
    deployed.by(ledger.stranger, "leave", *deployed.leave_call(client))
    assert ledger.enrolment_view(1, client).left_round == 1
    deployed.request()
    call = graded(deployed, client, 3, REWARD)
    another_task(deployed)
    assert refusal(deployed, client) == ("ReputationPending", client.address, 1)
    ledger.pass_to(ledger.task_view(1).payable_from)
    assert refusal(deployed, client) == ("ReputationPending", client.address, 1)
    assert deployed.by(ledger.stranger, "claim", *call).sole()["freed"]
    deployed.enrol(client)


def test_should_gain_by_waiting_below_the_floor(requested: Scene) -> None:
    client, ledger = requested.clients[0], requested.ledger
    call = graded(requested, client, 0)
    over(requested)
    requested.by(ledger.stranger, "claim", *call)
    settled = ledger.now
    for periods, expected in ((0, 0), (1, 1), (2, 2), (9, 2)):
        snapshot = ledger.chain.snapshot()
        ledger.pass_to(settled + periods * DEFAULT_RULES.waiting_seconds)
        another_task(requested)
        requested.enrol(client)
        assert ledger.enrolment_view(2, client).reputation == expected
        ledger.chain.revert(snapshot)
    ledger.pass_to(settled + DEFAULT_RULES.waiting_seconds - 1)
    another_task(requested, min_reputation=1)
    assert refusal(requested, client) == ("ReputationWrong", client.address, 0, 1, 5)
    ledger.pass_to(settled + DEFAULT_RULES.waiting_seconds)
    requested.enrol(client, requested.outsider)
    assert ledger.enrolment_view(2, requested.outsider).reputation == requested.terms.initial_reputation


def test_should_refuse_a_leaf_above_the_maximum(requested: Scene) -> None:
    client = requested.clients[0]
    call = graded(requested, client, 6, REWARD)
    expected = ("ReputationWrong", client.address, 6, 0, 5)
    assert requested.ledger.refusal(requested.ledger.stranger, "claim", *call) == expected


def test_should_free_who_left_before_the_round_that_is_running(opened: Scene) -> None:
    first, second, _ = opened.clients
    opened.by(opened.ledger.stranger, "leave", *opened.leave_call(first))
    opened.request()
    opened.publish()
    opened.open(2)
    opened.by(opened.ledger.stranger, "leave", *opened.leave_call(second))
    assert opened.claim(first).sole()["freed"]
    assert not opened.claim(second).sole()["freed"]


def settle(scene: Scene, client: Signer, grade: int, **changes: Any) -> Standing:
    """A task of one round by ``manufacturer``, or the usual one, with this grade in the client's last leaf."""
    manufacturer = changes.pop("manufacturer", scene.ledger.manufacturer)
    scene.terms = replace(scene.terms, rounds=1, **changes)
    scene.by(manufacturer, "postTask", astuple(scene.terms), value=scene.escrow())
    scene.task = scene.ledger.view("taskCount")
    scene.clients = [client, *(one for one in scene.ledger.clients if one is not client)][:3]
    scene.enrol(*scene.clients)
    scene.open()
    scene.request()
    call = graded(scene, client, grade)
    scene.by(scene.ledger.stranger, "claim", *call)
    return scene.ledger.standing(client)


def free(scene: Scene) -> None:
    """The others of the last task can enrol again: nobody proves a leaf of theirs any more."""
    scene.ledger.pass_to(scene.ledger.task_view(scene.task).claim_until + 1)


WAITING = DEFAULT_RULES.waiting_seconds


@pytest.mark.parametrize("initial", [0, 2, 5])
def test_should_buy_no_reputation_in_an_instant(deployed: Scene, initial: int) -> None:
    client, ledger = deployed.clients[0], deployed.ledger
    first = settle(deployed, client, 5, initial_reputation=initial)
    assert first == Standing(DEFAULT_RULES.floor, ledger.now, 0, 1)
    free(deployed)
    assert settle(deployed, client, 5) == first


def test_should_gain_one_in_a_waiting_period(deployed: Scene) -> None:
    client, ledger = deployed.clients[0], deployed.ledger
    standing = settle(deployed, client, 5)
    for expected in (3, 4):
        ledger.pass_to(standing.since + 3 * WAITING)
        standing = settle(deployed, client, 5)
        assert standing == Standing(expected, ledger.now, 0, deployed.task)
        free(deployed)
        assert settle(deployed, client, 5) == standing


@pytest.mark.parametrize(("late", "expected"), [(-1, 2), (0, 3)])
def test_should_gain_after_a_whole_period_only(deployed: Scene, late: int, expected: int) -> None:
    client, ledger = deployed.clients[0], deployed.ledger
    deployed.post(claim_seconds=2 * WAITING)
    deployed.enrol(*deployed.clients)
    deployed.open()
    deployed.request()
    deployed.by(ledger.stranger, "claim", *graded(deployed, client, 5, REWARD))
    since = ledger.standing(client).since
    deployed.open(2)
    deployed.request(2)
    call = graded(deployed, client, 5, 2 * REWARD, 2)
    ledger.pass_to(since + WAITING + late)
    deployed.by(ledger.stranger, "claim", *call)
    assert ledger.standing(client).reputation == expected


def test_should_lose_at_once(deployed: Scene) -> None:
    client, ledger = deployed.clients[0], deployed.ledger
    settle(deployed, client, 5)
    free(deployed)
    assert settle(deployed, client, 0) == Standing(0, ledger.now, 0, 1)


@pytest.mark.parametrize(
    ("giver", "worth"), [(lambda ledger: ledger.manufacturer, 3), (lambda ledger: ledger.stranger, 1)]
)
def test_should_count_what_the_listed_gave(deployed: Scene, giver: Callable[[Ledger], Signer], worth: int) -> None:
    client, ledger = deployed.clients[0], deployed.ledger
    standing = settle(deployed, client, 5)
    ledger.pass_to(standing.since + WAITING)
    assert settle(deployed, client, 5).reputation == 3
    sources = (giver(ledger).address, ledger.edge.address)
    another_task(deployed, reputation_sources=sources, initial_reputation=1)
    deployed.enrol(client)
    assert ledger.enrolment_view(deployed.task, client).reputation == worth


def test_should_believe_no_more_of_a_standing_from_elsewhere_than_of_none(deployed: Scene) -> None:
    client, ledger = deployed.clients[0], deployed.ledger
    standing = settle(deployed, client, 5)
    ledger.pass_to(standing.since + WAITING)
    assert settle(deployed, client, 5).reputation == 3
    ledger.pass_to(ledger.now + 3 * WAITING)
    own = (ledger.substitute.address,)
    standing = settle(deployed, client, 5, reputation_sources=own, manufacturer=ledger.substitute)
    assert standing == Standing(2, ledger.now, 0, deployed.task)


@pytest.mark.parametrize(("initial", "worth"), [(0, 0), (2, 1)])
def test_should_shed_nothing_where_others_are_listed(deployed: Scene, initial: int, worth: int) -> None:
    client, ledger = deployed.clients[0], deployed.ledger
    settle(deployed, client, 1)
    free(deployed)
    another_task(deployed, reputation_sources=(ledger.edge.address,), initial_reputation=initial)
    deployed.enrol(client)
    assert ledger.enrolment_view(deployed.task, client).reputation == worth
