"""Fees: the leaves of servers and authorities.

given the tree of a published round
    when anyone claims the leaf of a server or authority
        should pay it, once, and as much more as it rises later
        should touch nobody's reputation
    when its role has ended
        should pay it no more, and pass over it among others
    when it is a client as well
        should pay it its one leaf, also without its role
    when nobody claims it in time
        should give it back with the refund
"""

from __future__ import annotations

from dataclasses import astuple

import pytest

from protocol.identifiers import Address
from protocol.incentives.rewards import allocation_root, claim_batch, claim_proof, total_owed
from protocol.messages.chain import Claimed, EnrolmentView, Standing
from protocol.messages.settlement import Allocation, Entitlement
from tests.contracts.accusations import AUTHORITIES, AUTHORITY, keys, statements
from tests.contracts.bonded import (
    AUTHORITY_FEE,
    CONTRIBUTION,
    EDGE_FEE,
    PARTICIPATION,
    bonded,
    refusal,
)
from tests.contracts.ledger import Outcome
from tests.contracts.scene import BATCH, ZERO, Scene, publication

REWARD = PARTICIPATION + CONTRIBUTION


def tree(scene: Scene, rounds: int = 1) -> Allocation:
    """Everybody earned all of it in so many rounds; of the authorities, the first two."""
    earned = {client.address: REWARD for client in scene.clients}
    earned |= {scene.ledger.edge.address: EDGE_FEE}
    for authority in AUTHORITIES[:2]:
        earned[authority.address] = earned.get(authority.address, 0) + AUTHORITY_FEE
    planned = {client.address for client in scene.clients}
    entries = [
        Entitlement(party, rounds * amount, 3 if party in planned else 0) for party, amount in sorted(earned.items())
    ]
    return Allocation(1, rounds, tuple(entries))


def publish(scene: Scene, number: int = 1) -> Allocation:
    made = tree(scene, number)
    scene.by_edge("publishRound", number, publication(allocation_root(made), total_owed(made)))
    scene.pass_window()
    return made


@pytest.fixture
def paid(deployed: Scene) -> tuple[Scene, Allocation]:
    scene = bonded(deployed)
    scene.open()
    scene.request()
    return scene, publish(scene)


def call_of(made: Allocation, party: Address) -> tuple[object, ...]:
    proven = claim_proof(made, party)
    return made.task, (proven.index, *astuple(proven.entitlement)), proven.proof


def claim(scene: Scene, made: Allocation, party: Address) -> Outcome:
    return scene.by(scene.ledger.faucet, "claim", *call_of(made, party))


def claim_all(scene: Scene, made: Allocation) -> Outcome:
    batch = claim_batch(made, {entry.client for entry in made.entitlements})
    leaves = [(index, *astuple(leaf)) for index, leaf in batch.leaves]
    return scene.by(scene.ledger.stranger, "claimMany", 1, leaves, batch.proof, batch.flags)


@pytest.mark.parametrize("role", ["server", "authority"])
def test_should_pay_fees_once(paid: tuple[Scene, Allocation], role: str) -> None:
    scene, made = paid
    ledger = scene.ledger
    party = ledger.edge if role == "server" else AUTHORITY
    fee = EDGE_FEE if role == "server" else AUTHORITY_FEE
    before = ledger.balance(party.address)
    event = claim(scene, made, party.address).sole()
    expected = {"task": 1, "client": party.address, "amount": fee, "cumulative": fee, "reputation": 0, "freed": False}
    assert event == {"event": "Claimed", **expected}
    assert ledger.balance(party.address) == before + fee
    assert refusal(scene, "claim", *call_of(made, party.address)) == ("NothingToPay", 1, party.address)
    assert ledger.enrolment_view(1, party) == EnrolmentView(ZERO, fee, 0, 0, False, False)
    assert ledger.standing(party) == Standing(0, 0, 0, 0)
    shown = ledger.task_view(1)
    assert (shown.claimed, shown.escrow) == (fee, scene.escrow() - fee)
    scene.open(2)
    scene.request(2)
    more, before = publish(scene, 2), ledger.balance(party.address)
    assert claim(scene, more, party.address).sole()["amount"] == fee
    assert ledger.balance(party.address) == before + fee


def test_should_pay_all_leaves_at_once(paid: tuple[Scene, Allocation]) -> None:
    scene, made = paid
    said = claim_all(scene, made).events
    assert len(said) == len(made.entitlements) == 6
    assert all(isinstance(event, Claimed) for event in said)
    assert scene.ledger.task_view(1).claimed == total_owed(made) == 3 * REWARD + EDGE_FEE + 2 * AUTHORITY_FEE


@pytest.mark.parametrize("role", ["server", "authority"])
def test_should_pay_nobody_whose_role_has_ended(paid: tuple[Scene, Allocation], role: str) -> None:
    scene, made = paid
    ledger = scene.ledger
    party = ledger.edge.address if role == "server" else AUTHORITY.address
    if role == "server":
        scene.open(2)
        scene.by(ledger.stranger, "dispute", statements(scene, number=2))
    else:
        scene.by(ledger.stranger, "dispute", keys(scene, residues=BATCH))
    assert refusal(scene, "claim", *call_of(made, party)) == ("NothingToPay", 1, party)
    paid_to = {event.client for event in claim_all(scene, made).events if isinstance(event, Claimed)}
    assert paid_to == {entry.client for entry in made.entitlements} - {party}
    fee = EDGE_FEE if role == "server" else AUTHORITY_FEE
    scene.pass_after(ledger.round_view(1, ledger.task_view(1).last_round).settle_until)
    scene.pass_after(ledger.task_view(1).task_until)
    scene.by(ledger.stranger, "refund", 1)
    assert ledger.task_view(1).escrow == fee
    scene.pass_after(ledger.task_view(1).claim_until)
    assert scene.by(ledger.stranger, "refund", 1).sole()["amount"] == fee


def test_should_pay_the_one_leaf_of_an_authority_that_is_a_client(deployed: Scene) -> None:
    """Its reward and its fee; and, being enrolled, also once it was convicted as an authority."""
    scene, ledger = deployed, deployed.ledger
    scene.clients = sorted([*scene.clients[:2], AUTHORITY], key=lambda one: one.address)
    scene.earned = dict.fromkeys((client.address for client in scene.clients), 0)
    try:
        bonded(scene).open()
        scene.request()
        made = publish(scene)
        assert len(made.entitlements) == 5
        before = ledger.balance(AUTHORITY.address)
        scene.by(ledger.stranger, "dispute", keys(scene, residues=BATCH))
        event = claim(scene, made, AUTHORITY.address).sole()
        assert event["amount"] == REWARD + AUTHORITY_FEE == ledger.balance(AUTHORITY.address) - before
        assert ledger.standing(AUTHORITY).reputation == 2
    finally:
        scene.clients = ledger.clients[:3]


def test_should_pay_nobody_without_a_role(deployed: Scene) -> None:
    scene = bonded(deployed)
    scene.open()
    scene.request()
    stranger = scene.ledger.stranger.address
    entries = sorted([*tree(scene).entitlements, Entitlement(stranger, 5, 0)], key=lambda entry: entry.client)
    made = Allocation(1, 1, tuple(entries))
    scene.by_edge("publishRound", 1, publication(allocation_root(made), total_owed(made)))
    scene.pass_window()
    assert refusal(scene, "claim", *call_of(made, stranger)) == ("NothingToPay", 1, stranger)
    paid_to = {event.client for event in claim_all(scene, made).events if isinstance(event, Claimed)}
    assert stranger not in paid_to and len(paid_to) == 6


def test_should_give_back_what_nobody_claimed(paid: tuple[Scene, Allocation]) -> None:
    scene, made = paid
    ledger = scene.ledger
    scene.pass_after(ledger.task_view(1).task_until)
    scene.by(ledger.stranger, "refund", 1)
    assert ledger.task_view(1).escrow == total_owed(made)
    scene.pass_after(ledger.task_view(1).claim_until)
    assert scene.by(ledger.stranger, "refund", 1).sole()["amount"] == total_owed(made)
