"""claim.

given a settled round
    when anyone sends a client's leaf until claimUntil
        should pay the client what it has not been paid yet, settle its reputation and emit Claimed
    when the leaf was paid already, or is older than what was paid
        should refuse
    when the next round is settled
        should pay the difference only
    when payee, amount, reputation, index, task or proof is not that of a leaf of the last tree
        should refuse
    when a leaf names an address that never enrolled and has no role
        should refuse, so that a strange task cannot set anyone's reputation
    when the tree promises more than was allocated
        should pay no more than that
    when claimUntil has passed
        should refuse
    when the payee is a contract that calls the ledger while it is paid
        should owe it the payment, and pay the next client
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode

from protocol import merkle
from protocol.domain import entitlement_leaf
from protocol.identifiers import Address
from protocol.keccak import keccak
from protocol.messages.chain import Claimed, Credited, Standing
from protocol.messages.settlement import Allocation, Entitlement
from scripts.chain.development import DevelopmentChain
from storage.ledger.ethereum.calls import encode_call
from storage.ledger.ethereum.decoding import decode_logs
from tests.contracts.ledger import START, Ledger, Outcome
from tests.contracts.scene import REWARD, ZERO, Scene, publication

REENTRANT = json.loads((Path(__file__).parent / "Reentrant.json").read_text(encoding="utf-8"))


def refusal(scene: Scene, call: tuple[object, ...]) -> tuple[object, ...]:
    return scene.ledger.refusal(scene.ledger.stranger, "claim", *call)


def test_should_pay_the_client_whoever_sends_it(published: Scene) -> None:
    ledger, client = published.ledger, published.clients[1]
    assert ledger.standing(client) == Standing(0, 0, 1, 0)
    event = published.claim(client).sole()
    expected = {"task": 1, "client": client.address, "amount": REWARD, "cumulative": REWARD, "reputation": 3}
    expected["freed"] = False
    assert event == {"event": "Claimed", **expected}
    assert ledger.balance(client.address) == REWARD
    assert ledger.enrolment_view(1, client).claimed == REWARD
    assert ledger.standing(client) == Standing(2, ledger.now, 1, 1)
    shown = ledger.task_view(1)
    assert (shown.payable(ledger.now)[1], shown.claimed, shown.escrow) == (
        3 * REWARD,
        REWARD,
        published.escrow() - REWARD,
    )
    assert ledger.balance(ledger.address) == shown.escrow


def test_should_pay_nothing_twice(published: Scene) -> None:
    client = published.clients[0]
    published.claim(client)
    assert refusal(published, published.claim_call(client)) == ("NothingToPay", 1, client.address)
    published.open(2)
    published.request(2)
    published.publish(2)
    assert published.claim(client).sole()["amount"] == REWARD
    assert published.ledger.balance(client.address) == 2 * REWARD
    assert refusal(published, published.claim_call(client)) == ("NothingToPay", 1, client.address)


def test_should_refuse_a_leaf_of_an_older_tree(published: Scene) -> None:
    client = published.clients[0]
    old = published.claim_call(client)
    published.open(2)
    published.request(2)
    published.publish(2)
    assert refusal(published, old) == ("ProofInvalid", 1, client.address)
    assert published.claim(client).sole()["amount"] == 2 * REWARD


@pytest.mark.parametrize("position", range(6))
def test_should_refuse_anything_but_a_leaf(published: Scene, position: int) -> None:
    """Above all another payee or amount; the proof is the honest one."""
    thief, victim = published.clients[0], published.clients[1]
    task, leaf, proof = published.claim_call(victim)
    assert isinstance(leaf, tuple) and isinstance(proof, tuple)
    call = [task, *leaf, proof]
    wrong: list[Any] = [2, 0, thief.address, 2 * REWARD, 5, [*proof[:-1], ZERO]]
    if position == 0:
        published.post()
        published.task = 2
        published.enrol(published.outsider)
    call[position] = wrong[position]
    assert refusal(published, (call[0], tuple(call[1:5]), call[5])) == ("ProofInvalid", call[0], call[2])


def test_should_refuse_an_inner_node_and_an_empty_tree(opened: Scene) -> None:
    client = opened.clients[0]
    assert refusal(opened, (1, (0, client.address, 1, 1), [])) == ("ProofInvalid", 1, client.address)
    assert refusal(opened, (1, (0, client.address, 0, 0), [ZERO])) == ("ProofInvalid", 1, client.address)


def test_should_refuse_who_never_enrolled(requested: Scene) -> None:
    outsider = requested.outsider
    requested.earned[outsider.address] = REWARD
    requested.publish(paid=())
    assert refusal(requested, requested.claim_call(outsider)) == ("NothingToPay", 1, outsider.address)
    assert requested.ledger.standing(outsider) == Standing(0, 0, 0, 0)


def test_should_refuse_a_leaf_that_earned_nothing(requested: Scene) -> None:
    requested.publish(paid=requested.clients[1:])
    client = requested.clients[0]
    assert refusal(requested, requested.claim_call(client)) == ("NothingToPay", 1, client.address)


def test_should_pay_no_more_than_was_allocated(requested: Scene) -> None:
    """A dishonest edge server's tree promises each client all of one round's budget."""
    first, second, _ = requested.clients
    root, _ = requested.reward(*requested.clients * 3)
    requested.by_edge("publishRound", 1, publication(root, 3 * REWARD))
    requested.claim(first)
    call = requested.claim_call(second)
    assert refusal(requested, call) == ("AllocationWrong", 3 * REWARD, 0, 0)
    assert requested.ledger.task_view(1).escrow == requested.escrow() - 3 * REWARD


@pytest.mark.parametrize("late", [False, True])
def test_should_pay_until_claim_until(published: Scene, late: bool) -> None:
    until = published.ledger.task_view(1).claim_until
    published.ledger.pass_to(until + late)
    if late:
        assert refusal(published, published.claim_call(published.clients[0])) == ("TooLate", until)
    else:
        published.claim(published.clients[0])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
def test_should_accept_the_proofs_of_trees_of_every_shape(requested: Scene, count: int) -> None:
    """The contract walks protocol/merkle.py's paths, odd nodes included: the paid leaf is the last."""
    payee = requested.clients[0].address
    others = (Entitlement(bytes([number]) * 20, 1, 1) for number in range(count - 1))
    allocation = Allocation(1, 1, (*others, Entitlement(payee, REWARD, 3)))
    leaves = [entitlement_leaf(1, index, entry) for index, entry in enumerate(allocation.entitlements)]
    requested.by_edge("publishRound", 1, publication(merkle.root(leaves), 3 * REWARD))
    call = (1, (count - 1, payee, REWARD, 3), merkle.proof(leaves, count - 1))
    requested.by(requested.ledger.stranger, "claim", *call)
    assert requested.ledger.balance(payee) == REWARD


class ChainWithCode(DevelopmentChain):
    """Accounts may be given code after the fact, as EIP-7702 does: a client that signs and yet runs code when paid."""

    def __init__(self) -> None:
        super().__init__(lambda: START)
        self.codes: dict[Address, bytes] = {}

    def _state(self, block: int | None) -> Any:
        state = super()._state(block)
        for address, code in self.codes.items():
            state.set_code(address, code)
        return state

    def try_out(self, scene: Scene, name: str, *arguments: object, gas: int = 10**7) -> Outcome:
        """What a stranger's call would do in the next block, in which nothing is mined. Raises RefusedError."""
        ledger = scene.ledger
        call = {"from": ledger.stranger.address, "to": ledger.address, "data": encode_call(name, *arguments)}
        computation, used = self._execute(call, None, gas)
        logs = [
            {
                "address": "0x" + address.hex(),
                "topics": [topic.to_bytes(32, "big") for topic in topics],
                "data": data,
                "blockNumber": 0,
                "logIndex": index,
                "transactionHash": bytes(32),
            }
            for index, (address, topics, data) in enumerate(computation.get_log_entries())
        ]
        return Outcome(used, decode_logs(logs, ledger.address))


def forwarder(target: Address) -> bytes:
    """Calls ``target`` without data or money; reverts when that does."""
    return bytes.fromhex("6000" * 5 + "73") + target + bytes.fromhex("5af115602657005b60006000fd")


@contextmanager
def reentering(scene: Scene, chain: ChainWithCode, payee: Address, name: str, *arguments: object) -> Iterator[None]:
    """While the block runs, ``payee`` makes this call of the ledger whenever it is paid."""
    attacker = scene.ledger.create(bytes.fromhex(REENTRANT["bytecode"][2:]))
    arm = keccak(b"arm(address,bytes)")[:4]
    call = encode_call(name, *arguments)
    scene.ledger.transact(
        scene.ledger.stranger, attacker, arm + encode(["address", "bytes"], [scene.ledger.address, call])
    )
    chain.codes[payee] = forwarder(attacker)
    yield
    del chain.codes[payee]


def test_should_not_be_entered_again_while_it_pays() -> None:
    chain = ChainWithCode()
    scene = Scene(Ledger(chain)).published()
    scene.pass_after(scene.ledger.task_view(1).task_until)  # so that each of the calls is allowed by itself
    first, second, _ = scene.clients
    ledger, own, other = scene.ledger, scene.claim_call(first), scene.claim_call(second)
    with reentering(scene, chain, first.address, "taskCount"):  # which the guard does not concern: the trap works
        assert [type(event) for event in chain.try_out(scene, "claim", *own).events] == [Claimed]
    for name, arguments in (("claim", own), ("claim", other), ("refund", (1,))):
        with reentering(scene, chain, first.address, name, *arguments):
            said = chain.try_out(scene, "claim", *own).events
            assert [type(event) for event in said] == [Claimed, Credited]
    scene.claim(second)
    scene.by(ledger.stranger, "refund", 1)
    scene.claim(first)
    assert ledger.balance(first.address) == ledger.balance(second.address) == REWARD
