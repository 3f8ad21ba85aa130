"""Credits: what is owed when a payee does not take its money, and withdraw.

given a client that refuses the coin, burns all gas, or returns without end
    when its leaf is claimed, alone or among others
        should settle its reputation, owe it the money and its stake, pay the others, and cost the sender little
given a sender with too little gas for a payment
    when the payee would have taken it
        should refuse, so that nobody turns a payment into a credit
given a manufacturer that refuses its refund
    when anyone asks for its credit
        should pay it, to it alone
    when the manufacturer names another address
        should pay it there
    when it was paid, or cannot be paid now
        should refuse
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from typing import Final

import pytest

from protocol.identifiers import Address
from protocol.messages.chain import Claimed, Credited, StakeReturned, Withdrawn
from scripts.chain.development import RefusedError
from storage.ledger.ethereum.calls import encode_call
from tests.contracts.ledger import Ledger, Refusal, decode_refusal
from tests.contracts.scene import REWARD, Scene
from tests.contracts.test_claim import REENTRANT, ChainWithCode
from tests.contracts.test_refund import arm, call_of

HOSTILE: Final = {
    "refuses": bytes.fromhex("60006000fd"),
    "burns all gas": bytes.fromhex("5b600056"),  # jumps back for ever
    "returns without end": bytes.fromhex("620100006000fd"),  # 64 KiB
}
WORKS: Final = bytes.fromhex("60016000555a600155")  # takes the money for some 44,000 units of gas
STAKE, PAYMENT_GAS, RESERVE = 9, 50_000, 90_000


@pytest.fixture(scope="module")
def settled() -> Scene:
    """A task that is over, with stakes, whose three clients have one reward each."""
    scene = Scene(Ledger(ChainWithCode()))
    scene.post(stake=STAKE)
    messages, signatures = zip(*(scene.enrolment(client) for client in scene.clients), strict=True)
    scene.by(scene.ledger.stranger, "enrol", messages, signatures, value=3 * STAKE)
    scene.open()
    scene.request()
    scene.publish()
    scene.pass_after(scene.ledger.task_view(1).task_until)
    return scene


@pytest.fixture
def chain(settled: Scene) -> Iterator[ChainWithCode]:
    made = settled.ledger.chain
    assert isinstance(made, ChainWithCode)
    yield made
    made.codes.clear()


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE)
def test_should_owe_what_a_payee_does_not_take(settled: Scene, chain: ChainWithCode, code: bytes) -> None:
    bad = settled.clients[1].address
    honest = chain.try_out(settled, "claim", *settled.claim_call(settled.clients[1]))
    many = chain.try_out(settled, "claimMany", *settled.claim_many_call(*settled.clients))
    chain.codes[bad] = code
    alone = chain.try_out(settled, "claim", *settled.claim_call(settled.clients[1]))
    assert [type(event) for event in alone.events] == [Claimed, StakeReturned, Credited]
    claimed, _, credited = alone.events
    assert isinstance(claimed, Claimed) and isinstance(credited, Credited)
    assert (claimed.amount, claimed.reputation, claimed.freed) == (REWARD, 3, True)
    assert (credited.holder, credited.amount) == (bad, REWARD + STAKE)
    among = chain.try_out(settled, "claimMany", *settled.claim_many_call(*settled.clients))
    assert [event.holder for event in among.events if isinstance(event, Credited)] == [bad]
    assert len([event for event in among.events if isinstance(event, Claimed)]) == 3
    for more in (alone.gas - honest.gas, among.gas - many.gas):
        assert more < PAYMENT_GAS + 50_000  # for the credit, which is written down


def test_should_not_let_the_sender_starve_a_payee(settled: Scene, chain: ChainWithCode) -> None:
    client, call = settled.clients[1], settled.claim_call(settled.clients[1])
    chain.codes[client.address] = WORKS
    plenty = chain.try_out(settled, "claim", *call)
    assert [type(event) for event in plenty.events] == [Claimed, StakeReturned]
    refusals = set[Refusal]()
    for gas in range(plenty.gas - 60_000, plenty.gas + 40_000, 2_000):
        try:
            said = chain.try_out(settled, "claim", *call, gas=gas)
        except RefusedError as error:
            refusals.add(decode_refusal(error.data) if error.data else ("OutOfGas",))
        else:
            assert [type(event) for event in said.events] == [Claimed, StakeReturned], gas
    assert ("GasMissing", RESERVE) in refusals


def test_should_pay_a_credit_to_its_holder_or_where_that_one_says(deployed: Scene) -> None:
    ledger, escrow = deployed.ledger, deployed.escrow()
    company = ledger.create(bytes.fromhex(REENTRANT["bytecode"][2:]))
    post = encode_call("postTask", astuple(deployed.terms))
    ledger.transact(ledger.manufacturer, company, call_of("forward", ledger.address, post), escrow)
    deployed.pass_after(ledger.task_view(1).enrol_until)
    arm(deployed, company, encode_call("refund", 1))
    deployed.by(ledger.stranger, "refund", 1)
    assert (ledger.view("creditOf", 1, company), ledger.task_view(1).deposits) == (escrow, escrow)

    def refusal(holder: Address, to: Address) -> Refusal:
        return ledger.refusal(ledger.stranger, "withdraw", 1, holder, to)

    stranger, other = ledger.stranger.address, bytes([7]) * 20
    assert refusal(company, stranger) == ("NotHolder", stranger, company)
    assert refusal(stranger, stranger) == refusal(stranger, other) == ("NothingToPay", 1, stranger)
    assert refusal(company, company) == ("PaymentFailed", company, escrow)
    snapshot = ledger.chain.snapshot()
    elsewhere = encode_call("withdraw", 1, company, other)
    (event,) = ledger.transact(ledger.stranger, company, call_of("forward", ledger.address, elsewhere)).events
    assert isinstance(event, Withdrawn) and (event.holder, event.to, event.amount) == (company, other, escrow)
    assert (ledger.balance(other), ledger.task_view(1).deposits) == (escrow, 0)
    ledger.chain.revert(snapshot)
    arm(deployed, company, encode_call("taskCount"))
    deployed.by(ledger.stranger, "withdraw", 1, company, company)
    assert (ledger.balance(company), ledger.balance(ledger.address)) == (escrow, 0)
    assert refusal(company, company) == ("NothingToPay", 1, company)
