"""placeBond, returnBond, stakes and returnStake.

given a task that asks for bonds
    when anyone pays a listed party's bond
        should hold it and emit BondPlaced, once
    when the amount is another, or the party is not listed
        should refuse
    when a bond is missing
        should let its edge server do nothing, and no round open without the authorities that a key needs
given that its task has ended and no payout can be disputed any more
    when anyone returns a bond
        should pay it to its holder, once
given a task that asks for a stake
    when clients enrol
        should take it for each of them, exactly
    when a client's last leaf is claimed
        should return it with the reward, and not before
    when there is no last leaf, since no tree was ever settled or the claim period is over
        should return it to the client whoever asks
given any of these
    should count them in the task's deposits, and hold them besides the escrow
"""

from __future__ import annotations

import pytest

from protocol.messages.chain import BondView
from protocol.signing import address_of
from storage.ledger.signer import Signer
from tests.contracts.scene import PLAN, REWARD, ROOT, Scene, label_of
from tests.samples import private_key

EDGE_BOND, AUTHORITY_BOND, STAKE = 500, 70, 9
AUTHORITIES = [address_of(private_key("authority", number)) for number in (1, 2, 3)]


def bonded(scene: Scene) -> Scene:
    scene.post(edge_bond=EDGE_BOND, authority_bond=AUTHORITY_BOND)
    scene.enrol(*scene.clients)
    return scene


def place(scene: Scene, holder: bytes, amount: int) -> None:
    event = scene.by(scene.ledger.stranger, "placeBond", 1, holder, value=amount).sole()
    assert event == {"event": "BondPlaced", "task": 1, "holder": holder, "amount": amount}


def test_should_take_each_bond_once(deployed: Scene) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    place(scene, ledger.edge.address, EDGE_BOND)
    place(scene, AUTHORITIES[1], AUTHORITY_BOND)
    assert BondView(*ledger.view("bondOf", 1, ledger.edge.address)) == BondView(1, 0, True, EDGE_BOND, 0)
    assert BondView(*ledger.view("bondOf", 1, AUTHORITIES[1])) == BondView(2, 1, True, AUTHORITY_BOND, 0)
    assert ledger.task_view(1).deposits == EDGE_BOND + AUTHORITY_BOND
    assert ledger.balance(ledger.address) == scene.escrow() + EDGE_BOND + AUTHORITY_BOND
    for holder in (ledger.edge.address, ledger.stranger.address):
        refusal = ledger.refusal(ledger.stranger, "placeBond", 1, holder, value=EDGE_BOND)
        assert refusal == ("BondUnexpected", 1, holder)
    for amount in (AUTHORITY_BOND - 1, AUTHORITY_BOND + 1):
        refusal = ledger.refusal(ledger.stranger, "placeBond", 1, AUTHORITIES[0], value=amount)
        assert refusal == ("EscrowWrong", amount, AUTHORITY_BOND)


def test_should_open_no_round_without_bonds(deployed: Scene) -> None:
    scene, ledger = bonded(deployed), deployed.ledger
    scene.pass_rosters()
    call = ("openRound", 1, PLAN, label_of(1), ROOT, 3)
    assert scene.edge_refusal(*call) == ("BondMissing", 1, ledger.edge.address)
    place(scene, ledger.edge.address, EDGE_BOND)
    place(scene, AUTHORITIES[0], AUTHORITY_BOND)
    assert scene.edge_refusal(*call) == ("BondMissing", 1, bytes(20))
    place(scene, AUTHORITIES[2], AUTHORITY_BOND)
    place(scene, AUTHORITIES[1], AUTHORITY_BOND)
    scene.open()


def test_should_return_a_bond_after_the_last_dispute_window(deployed: Scene) -> None:
    ledger = deployed.ledger
    deployed.post(edge_bond=EDGE_BOND, rounds=1, dispute_seconds=50)
    deployed.enrol(*deployed.clients)
    edge = ledger.edge.address
    place(deployed, edge, EDGE_BOND)
    deployed.open()
    deployed.request()
    assert ledger.refusal(ledger.stranger, "returnBond", 1, edge) == ("TooEarly", ledger.task_view(1).task_until)
    deployed.publish()
    until = ledger.task_view(1).payable_from
    ledger.pass_to(until - 1)
    assert ledger.refusal(ledger.stranger, "returnBond", 1, edge) == ("TooEarly", until)
    ledger.pass_to(until)
    before = ledger.balance(edge)
    event = deployed.by(ledger.stranger, "returnBond", 1, edge).sole()
    assert event == {"event": "BondReturned", "task": 1, "holder": edge, "amount": EDGE_BOND}
    assert ledger.balance(edge) - before == EDGE_BOND
    assert ledger.refusal(ledger.stranger, "returnBond", 1, edge) == ("NothingToPay", 1, edge)
    assert ledger.refusal(ledger.stranger, "returnBond", 1, AUTHORITIES[0]) == ("NothingToPay", 1, AUTHORITIES[0])
    assert ledger.task_view(1).deposits == 0


def staked(scene: Scene, *clients: Signer) -> Scene:
    scene.post(stake=STAKE)
    messages, signatures = zip(*(scene.enrolment(client) for client in clients), strict=True)
    for amount in (0, STAKE * len(clients) - 1, STAKE * len(clients) + 1):
        refusal = scene.ledger.refusal(scene.ledger.stranger, "enrol", messages, signatures, value=amount)
        assert refusal == ("EscrowWrong", amount, STAKE * len(clients))
    scene.by(scene.ledger.stranger, "enrol", messages, signatures, value=STAKE * len(clients))
    assert scene.ledger.task_view(1).deposits == STAKE * len(clients)
    return scene


def test_should_return_the_stake_with_the_last_claim(deployed: Scene) -> None:
    scene, ledger = staked(deployed, *deployed.clients), deployed.ledger
    first, second, third = scene.clients
    scene.open()
    scene.request()
    scene.publish(paid=[first, second])
    scene.claim(first)
    assert ledger.balance(first.address) == REWARD
    pending = ("ReputationPending", first.address, 1)
    assert ledger.refusal(ledger.stranger, "returnStake", 1, first.address) == pending
    scene.pass_after(ledger.task_view(1).task_until)
    claimed, returned = scene.claim(first).events
    assert (type(claimed).__name__, type(returned).__name__) == ("Claimed", "StakeReturned")
    scene.claim_many(first, second, third)
    assert [ledger.balance(one.address) for one in scene.clients] == [REWARD + STAKE, REWARD + STAKE, STAKE]
    scene.by(ledger.stranger, "refund", 1)
    assert ledger.balance(ledger.address) == ledger.task_view(1).deposits == 0
    assert ledger.refusal(ledger.stranger, "returnStake", 1, first.address) == ("NothingToPay", 1, first.address)


@pytest.mark.parametrize("tree", [True, False])
def test_should_return_the_stake_of_who_has_no_last_leaf(deployed: Scene, tree: bool) -> None:
    scene, ledger = staked(deployed, *deployed.clients), deployed.ledger
    client = scene.clients[0]
    scene.open()
    if tree:
        scene.request()
        scene.by_edge("publishRound", 1, (b"\x01" * 32, b"\x01" * 32, b"\x01" * 32, 0, 0, 0))
    else:
        scene.pass_after(ledger.round_view(1, 1).settle_until)
        scene.by_edge("expireRound", 1)
    shown = ledger.task_view(1)
    until = shown.claim_until if tree else shown.task_until
    ledger.pass_to(until)
    pending = ("ReputationPending", client.address, 1)
    assert ledger.refusal(ledger.stranger, "returnStake", 1, client.address) == pending
    ledger.pass_to(until + 1)
    event = scene.by(ledger.stranger, "returnStake", 1, client.address).sole()
    assert event == {"event": "StakeReturned", "task": 1, "client": client.address, "amount": STAKE}
    assert ledger.balance(client.address) == STAKE
