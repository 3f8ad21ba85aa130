"""What each end of a round costs those who run it: no way is cheaper than to publish what was opened.

given a server, its manufacturer and a reporter, who are one and the same, and an honest crowd
    when a key was requested and the round is not published, in whatever way
        should cost them together at least what the clients get for a published round
    when they left it alone before that
        should cost them the participation of all who committed
    when the server accuses itself
        should gain nothing
given that nothing was opened
    when it is abandoned
        should cost no more than the participation of those who delivered
"""

from __future__ import annotations

import pytest

from protocol.messages.submission import CommitmentBatch
from storage.ledger.signer import Signer
from tests.contracts.accusations import statements
from tests.contracts.bonded import CONTRIBUTION, PARTICIPATION, bonded, commit_all, compensation_call, expire, request
from tests.contracts.scene import Scene

REWARD = PARTICIPATION + CONTRIBUTION
# way: what it costs whoever runs the round, beside the clients' honest reports
COSTS = {
    "published": 3 * REWARD,
    "requested, expired": 3 * REWARD,
    "requested, accused": 3 * REWARD,
    "published, accused": 3 * REWARD,
    "abandoned": 3 * PARTICIPATION,
    "open, expired": 3 * PARTICIPATION,
    "open, accused": 3 * PARTICIPATION,
}
REQUESTED = [way for way in COSTS if "requested" in way or "published" in way]


@pytest.fixture
def committed(deployed: Scene) -> tuple[Scene, CommitmentBatch]:
    scene = bonded(deployed, rounds=1, edge_fee=0, authority_fee=0)
    scene.open()
    return scene, commit_all(scene)


def end(scene: Scene, way: str, reporter: Signer) -> None:
    ledger = scene.ledger
    first, _, second = way.partition(", ")
    if first in ("requested", "published"):
        request(scene)
    if first == "published":
        scene.publish()
    if first == "abandoned":
        scene.pass_after(ledger.round_view(1, 1).commit_until)
        scene.earned = dict.fromkeys(scene.earned, PARTICIPATION)
        scene.abandon()
    if second == "expired":
        expire(scene)
    elif second == "accused":
        scene.by(reporter, "dispute", statements(scene))


def pay_out(scene: Scene, batch: CommitmentBatch) -> None:
    """Everything to everybody, sent by another one."""
    ledger = scene.ledger
    shown = ledger.task_view(1)
    if shown.pending_round:
        scene.pass_window()
        scene.claim_many(*scene.clients)
    else:
        for client in scene.clients:
            scene.by(ledger.faucet, "compensate", *compensation_call(scene, client, batch))
    scene.pass_after(shown.claim_until)
    for holder in (*scene.terms.edge_servers, *scene.terms.authorities):
        if ledger.view("bondOf", 1, holder)[3]:
            scene.by(ledger.faucet, "returnBond", 1, holder)
    if ledger.task_view(1).escrow:
        scene.by(ledger.faucet, "refund", 1)
    for holder in cartel(scene):
        if ledger.view("creditOf", 1, holder):
            scene.by(ledger.faucet, "withdraw", 1, holder, holder)
    assert ledger.balance(ledger.address) == 0


def cartel(scene: Scene) -> list[bytes]:
    return [scene.ledger.manufacturer.address, scene.ledger.edge.address, scene.ledger.stranger.address]


def cost(scene: Scene, batch: CommitmentBatch, way: str) -> int:
    """Gas is free in none of these, so the books are asked what left the ledger for others than the clients."""
    ledger = scene.ledger
    put_in = ledger.balance(ledger.address)
    others = [*scene.terms.authorities, ledger.substitute.address]
    before = {holder: ledger.balance(holder) for holder in others}
    end(scene, way, ledger.stranger)
    pay_out(scene, batch)
    got = sum(ledger.balance(client.address) for client in scene.clients)
    deposits = sum(ledger.balance(holder) - before[holder] for holder in others)
    returned = put_in - got - deposits  # to manufacturer, server and reporter
    bonds = scene.terms.edge_bond
    return scene.escrow() + bonds - returned


@pytest.mark.parametrize("way", COSTS)
def test_should_cost_what_the_clients_are_owed(committed: tuple[Scene, CommitmentBatch], way: str) -> None:
    scene, batch = committed
    assert cost(scene, batch, way) == COSTS[way]
    assert [scene.ledger.balance(client.address) for client in scene.clients] == [COSTS[way] // 3] * 3


def test_should_not_be_cheaper_than_to_publish() -> None:
    assert {COSTS[way] for way in REQUESTED} == {COSTS["published"]}


@pytest.mark.parametrize("way", [way for way in COSTS if "accused" in way])
def test_should_gain_nothing_by_an_accusation_of_oneself(committed: tuple[Scene, CommitmentBatch], way: str) -> None:
    """Not even where the manufacturer is none of them: the server alone loses at least what the clients are owed."""
    scene, _ = committed
    ledger = scene.ledger
    first = way.partition(", ")[0]
    end(scene, first, ledger.stranger)
    owed = 3 * (PARTICIPATION if first == "open" else REWARD)
    scene.by(ledger.stranger, "dispute", statements(scene))
    assert ledger.view("bondOf", 1, ledger.edge.address)[3] == 0
    credit = ledger.view("creditOf", 1, ledger.stranger.address)
    assert scene.terms.edge_bond - credit >= min(owed, scene.terms.edge_bond)
