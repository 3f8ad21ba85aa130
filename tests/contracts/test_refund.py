"""refund.

given a task that may still hold rounds
    when anyone asks for the refund
        should refuse, whatever the time, while a round is running
given a task that has ended: its last round is final, or taskUntil passed, or too few enrolled
    when anyone sends the refund
        should pay the manufacturer all that no client can claim any more, and emit Refunded
        should leave every claim covered
    when there is nothing left
        should refuse
given that claimUntil has passed
    when anyone sends the refund
        should pay the manufacturer everything that is left
given a manufacturer that is a contract
    when it calls the ledger while it is paid, and takes nothing else
        should owe it the payment
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from eth_abi.abi import encode

from protocol.identifiers import Address
from protocol.keccak import keccak
from storage.ledger.ethereum.calls import encode_call
from tests.contracts.scene import REWARD, Scene
from tests.contracts.test_claim import REENTRANT


def refusal(scene: Scene) -> tuple[object, ...]:
    return scene.ledger.refusal(scene.ledger.stranger, "refund", 1)


def refund(scene: Scene) -> int:
    """What the manufacturer gets, whoever sends it."""
    ledger = scene.ledger
    before = ledger.balance(ledger.manufacturer.address)
    event = scene.by(ledger.stranger, "refund", 1).sole()
    amount: int = event["amount"]
    assert event == {"event": "Refunded", "task": 1, "manufacturer": ledger.manufacturer.address, "amount": amount}
    assert ledger.balance(ledger.manufacturer.address) - before == amount
    return amount


def test_should_wait_for_the_end_of_the_task(published: Scene) -> None:
    ledger, until = published.ledger, published.ledger.task_view(1).task_until
    assert refusal(published) == ("TooEarly", until)
    ledger.pass_to(until)
    assert refusal(published) == ("TooEarly", until)
    ledger.pass_to(until + 1)
    assert refund(published) == published.escrow() - 3 * REWARD


def test_should_wait_for_a_round_that_is_running(published: Scene) -> None:
    ledger, until = published.ledger, published.ledger.task_view(1).task_until
    ledger.pass_to(until)
    published.open(2)
    published.request(2)
    published.pass_after(until)
    assert refusal(published) == ("TooEarly", until)
    published.publish(2)
    assert refund(published) == published.escrow() - 6 * REWARD


def test_should_leave_every_claim_covered(published: Scene) -> None:
    ledger, escrow = published.ledger, published.escrow()
    published.claim(published.clients[0])
    published.pass_after(ledger.task_view(1).task_until)
    assert refund(published) == escrow - 3 * REWARD
    assert refusal(published) == ("NothingToPay", 1, ledger.manufacturer.address)
    published.claim(published.clients[1])
    assert refusal(published) == ("NothingToPay", 1, ledger.manufacturer.address)
    assert ledger.task_view(1).escrow == ledger.balance(ledger.address) == REWARD
    published.pass_after(ledger.task_view(1).claim_until)
    assert refund(published) == REWARD
    assert refusal(published) == ("NothingToPay", 1, ledger.manufacturer.address)
    assert ledger.task_view(1).escrow == ledger.balance(ledger.address) == 0


def test_should_end_with_the_last_round(enrolled: Scene) -> None:
    for number in (1, 2, 3):
        assert refusal(enrolled)[0] == "TooEarly"
        enrolled.open(number)
        enrolled.request(number)
        enrolled.publish(number)
    assert refund(enrolled) == enrolled.escrow() - 9 * REWARD


def test_should_end_when_too_few_enrolled(deployed: Scene) -> None:
    deployed.post()
    deployed.enrol(deployed.clients[0])
    until = deployed.ledger.task_view(1).enrol_until
    deployed.ledger.pass_to(until)
    assert refusal(deployed)[0] == "TooEarly"
    deployed.ledger.pass_to(until + 1)
    assert refund(deployed) == deployed.escrow()


def test_should_not_end_when_just_enough_enrolled(deployed: Scene) -> None:
    deployed.post()
    deployed.enrol(*deployed.clients[:2])
    deployed.pass_after(deployed.ledger.task_view(1).enrol_until)
    assert refusal(deployed)[0] == "TooEarly"


def test_should_keep_claims_covered_in_their_last_second(published: Scene) -> None:
    published.ledger.pass_to(published.ledger.task_view(1).claim_until)
    assert refund(published) == published.escrow() - 3 * REWARD
    for client in published.clients:
        published.claim(client)


def test_should_return_everything_after_the_time_for_claims(published: Scene) -> None:
    published.pass_after(published.ledger.task_view(1).claim_until)
    assert refund(published) == published.escrow()
    assert published.ledger.balance(published.ledger.address) == 0


def test_should_not_touch_the_escrow_of_another_task(published: Scene) -> None:
    published.post()
    published.pass_after(published.ledger.task_view(1).claim_until)
    assert refund(published) == published.escrow()
    assert published.ledger.balance(published.ledger.address) == published.escrow()


def test_should_not_be_entered_again_while_it_refunds(deployed: Scene) -> None:
    ledger, escrow = deployed.ledger, deployed.escrow()
    company = ledger.create(bytes.fromhex(REENTRANT["bytecode"][2:]))
    post = encode_call("postTask", astuple(deployed.terms))
    for _ in range(2):  # the second task is what the attack is after
        ledger.transact(ledger.manufacturer, company, call_of("forward", ledger.address, post), escrow)
    deployed.pass_after(ledger.task_view(1).enrol_until)
    for task in (1, 2):
        arm(deployed, company, encode_call("refund", task))
        snapshot = ledger.chain.snapshot()
        deployed.by(ledger.stranger, "refund", 1)
        assert (ledger.balance(company), ledger.view("creditOf", 1, company)) == (0, escrow)
        assert (ledger.task_view(1).escrow, ledger.task_view(1).deposits) == (0, escrow)
        ledger.chain.revert(snapshot)
    arm(deployed, company, encode_call("taskCount"))
    deployed.by(ledger.stranger, "refund", 1)
    assert ledger.balance(company) == ledger.balance(ledger.address) == escrow


def arm(scene: Scene, company: Address, data: bytes) -> None:
    scene.ledger.transact(scene.ledger.stranger, company, call_of("arm", scene.ledger.address, data))


def call_of(name: str, *arguments: Any) -> bytes:
    return keccak(f"{name}(address,bytes)".encode())[:4] + encode(["address", "bytes"], arguments)
