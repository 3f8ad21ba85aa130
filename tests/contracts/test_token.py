"""Tasks paid in an ERC-20.

given a task whose terms name a token
    when the manufacturer has approved the escrow
        should fetch exactly that, and pay claims and refund in it
    when it is short of balance or allowance, or sends coins along
        should refuse
given a token that keeps a fee
    when it is the escrow
        should refuse, since less arrives
    when it starts to later
        should keep its own books, whatever the payee is sent
given a token that calls the ledger again and returns false
    when it pays a claim, many or a refund
        should owe all that, and pay it once the token moves again
given a token that keeps one payee out
    when a batch of claims is sent
        should pay all others, and owe that one
"""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from protocol.identifiers import Address
from protocol.keccak import keccak
from storage.ledger.ethereum.calls import encode_call
from storage.ledger.signer import Signer
from tests.contracts.ledger import Outcome, Refusal
from tests.contracts.scene import REWARD, Scene

CODE = bytes.fromhex(json.loads((Path(__file__).parent / "TestToken.json").read_text(encoding="utf-8"))["bytecode"][2:])


class Token:
    def __init__(self, scene: Scene) -> None:
        self.scene, self.ledger = scene, scene.ledger
        self.address = self.ledger.create(CODE)

    def call(self, sender: Signer, signature: str, *arguments: Any) -> Outcome:
        types = [kind for kind in signature[signature.index("(") + 1 : -1].split(",") if kind]
        data = keccak(signature.encode())[:4] + encode(types, arguments)
        return self.ledger.transact(sender, self.address, data)

    def balance(self, holder: Address) -> int:
        data = keccak(b"balanceOf(address)")[:4] + encode(["address"], [holder])
        (balance,) = decode(["uint256"], self.ledger.chain.call({"to": self.address, "data": data}, None))
        return int(balance)

    def post_refusal(self, value: int = 0) -> Refusal:
        terms = astuple(self.scene.terms)
        return self.ledger.refusal(self.ledger.manufacturer, "postTask", terms, value=value)


@pytest.fixture
def token(deployed: Scene) -> Token:
    made, manufacturer = Token(deployed), deployed.ledger.manufacturer
    deployed.name_token(made.address)
    made.call(manufacturer, "mint(address,uint256)", manufacturer.address, deployed.escrow())
    made.call(manufacturer, "approve(address,uint256)", deployed.ledger.address, deployed.escrow())
    return made


def played(token: Token) -> Scene:
    scene = token.scene
    scene.post()
    scene.enrol(*scene.clients)
    scene.open()
    scene.request()
    scene.publish()
    return scene


def test_should_pay_in_the_token(token: Token) -> None:
    ledger, manufacturer = token.ledger, token.ledger.manufacturer.address
    scene = played(token)
    assert (token.balance(ledger.address), token.balance(manufacturer)) == (scene.escrow(), 0)
    assert ledger.task_view(1).token == token.address
    scene.claim(scene.clients[0])
    scene.claim_many(*scene.clients)
    assert [token.balance(client.address) for client in scene.clients] == [REWARD] * 3
    scene.pass_after(ledger.task_view(1).task_until)
    scene.by(ledger.stranger, "refund", 1)
    assert (token.balance(manufacturer), token.balance(ledger.address)) == (scene.escrow() - 3 * REWARD, 0)
    assert ledger.balance(ledger.address) == 0


def test_should_refuse_what_does_not_arrive(token: Token) -> None:
    escrow, manufacturer, ledger = token.scene.escrow(), token.ledger.manufacturer, token.ledger
    assert token.post_refusal(value=escrow) == ("EscrowWrong", escrow, 0)
    token.call(manufacturer, "approve(address,uint256)", ledger.address, escrow - 1)
    assert token.post_refusal() == ("EscrowWrong", 0, escrow)
    token.call(manufacturer, "approve(address,uint256)", ledger.address, escrow)
    token.call(manufacturer, "charge(uint256)", 1)
    assert token.post_refusal() == ("EscrowWrong", escrow - 1, escrow)
    token.call(manufacturer, "refuse(address,bytes)", ledger.address, encode_call("taskCount"))
    assert token.post_refusal() == ("EscrowWrong", 0, escrow)
    token.call(manufacturer, "behave()")
    token.scene.post()


def test_should_keep_its_own_books_when_a_fee_starts(token: Token) -> None:
    scene, ledger = played(token), token.ledger
    token.call(ledger.manufacturer, "charge(uint256)", 7)
    scene.claim(scene.clients[0])
    assert token.balance(scene.clients[0].address) == REWARD - 7
    assert ledger.task_view(1).escrow == token.balance(ledger.address) == scene.escrow() - REWARD


def test_should_owe_what_a_token_that_returns_false_does_not_move(token: Token) -> None:
    scene, ledger, manufacturer = played(token), token.ledger, token.ledger.manufacturer.address
    scene.pass_after(ledger.task_view(1).task_until)
    first, second, third = scene.clients
    own, many, rest = scene.claim_call(first), scene.claim_many_call(second, third), scene.escrow() - 3 * REWARD
    for name, call in (("claim", own), ("claimMany", many), ("refund", (1,)), ("postTask", (astuple(scene.terms),))):
        token.call(ledger.manufacturer, "refuse(address,bytes)", ledger.address, encode_call(name, *call))
        snapshot = ledger.chain.snapshot()
        scene.by(ledger.stranger, "claim", *own)
        scene.by(ledger.stranger, "claimMany", *many)
        scene.by(ledger.stranger, "refund", 1)
        owed = {manufacturer: rest, **{client.address: REWARD for client in scene.clients}}
        assert {holder: ledger.view("creditOf", 1, holder) for holder in owed} == owed
        assert (ledger.task_view(1).escrow, ledger.task_view(1).deposits) == (0, scene.escrow())
        assert [ledger.standing(client).task for client in scene.clients] == [0, 0, 0]
        refused = ledger.refusal(ledger.stranger, "withdraw", 1, first.address, first.address)
        assert refused == ("PaymentFailed", first.address, REWARD)
        token.call(ledger.manufacturer, "behave()")
        for holder, amount in owed.items():
            scene.by(ledger.stranger, "withdraw", 1, holder, holder)
            assert token.balance(holder) == amount
        assert ledger.task_view(1).deposits == token.balance(ledger.address) == 0
        ledger.chain.revert(snapshot)


def test_should_not_lock_a_batch_for_one_payee_that_the_token_keeps_out(token: Token) -> None:
    scene, ledger = played(token), token.ledger
    _, second, _ = scene.clients
    token.call(ledger.manufacturer, "ban(address,bool)", second.address, True)
    scene.claim_many(*scene.clients)
    assert [token.balance(client.address) for client in scene.clients] == [REWARD, 0, REWARD]
    assert ledger.view("creditOf", 1, second.address) == REWARD
    assert ledger.enrolment_view(1, second).claimed == REWARD
