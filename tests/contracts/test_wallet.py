"""Clients that are contracts (ERC-1271).

given a wallet that agrees
    when its enrolment is relayed with its word
        should enrol it, with the plain key that it names and a word of any form
        should take commitments and the leave by that key, and pay the wallet
    when its word is on something else
        should refuse
given a wallet that refuses, reverts, answers short or otherwise, or burns all gas
    when its enrolment is relayed alone
        should refuse
    when it is relayed among others
        should enrol the others, and cost the sender little
given an account without code
    when anybody relays a word for it
        should refuse
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from protocol.cohort import place_of, sum_of
from protocol.identifiers import Address
from protocol.messages.chain import Enrolled
from protocol.messages.submission import Commitment, Enrolment, Leave
from protocol.signing import signing_hash
from storage.ledger.signer import Signer
from tests.contracts.bonded import refusal
from tests.contracts.scene import CIPHERTEXT, ENVELOPE, FOREVER, NONCE, PLAN, Scene, label_of
from tests.samples import cohort_of, private_key

WALLET: Final = json.loads((Path(__file__).parent / "TestWallet.json").read_text(encoding="utf-8"))
AGREES, REVERTS, BURNS_GAS, ANSWERS_SHORT, ANSWERS_OTHERWISE = range(5)
KEY: Final = Signer(private_key("wallet"))


def create(scene: Scene, habit: int) -> Address:
    return scene.ledger.create(bytes.fromhex(WALLET["bytecode"][2:]) + habit.to_bytes(32, "big"))


def enrolment_of(scene: Scene, wallet: Address, **changes: Any) -> tuple[tuple[object, ...], bytes]:
    """With the wallet's word on it; ``changes`` come after it was given."""
    until = scene.ledger.task_view(1).claim_until
    values: dict[str, Any] = {
        "task": 1, "spec": scene.terms.spec, "client": wallet, "signer": KEY.address, "envelope": ENVELOPE,
        "stake": 0, "locked_until": until, "deadline": FOREVER,
    }  # fmt: skip
    word = signing_hash(scene.ledger.domain, Enrolment(**values)) + b"yes"
    return tuple((values | changes).values()), word


def test_should_enrol_a_contract_with_a_plain_key(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    wallet = create(scene, AGREES)
    scene.post()
    message, word = enrolment_of(scene, wallet)
    assert len(word) == 35  # no signature of a key
    event = scene.by(ledger.stranger, "enrol", [message], [word]).sole()
    assert (event["client"], event["signer"], event["signature"]) == (wallet, KEY.address, word)
    assert ledger.view("signerOf", 1, wallet) == KEY.address
    scene.enrol(*scene.clients[:2])
    scene.pass_rosters()
    weights = cohort_of(sorted([wallet, *(client.address for client in scene.clients[:2])]))
    scene.by_edge("openRound", 1, PLAN, label_of(1), sum_of(weights).root, 3)
    commitment = Commitment(1, 1, wallet, label_of(1), NONCE, CIPHERTEXT)
    values = (1, 1, wallet, label_of(1), NONCE, CIPHERTEXT)
    place = place_of(weights, wallet)
    placed = (place.index, place.weight, [(node.node, node.totals) for node in place.siblings])
    asked = signing_hash(ledger.domain, commitment) + b"yes"  # a contract could take that back
    assert refusal(scene, "commitDirect", values, asked, placed) == ("SignatureInvalid", wallet)
    scene.by(ledger.stranger, "commitDirect", values, KEY.sign(ledger.domain, commitment), placed)
    leave = Leave(1, wallet)
    asked = signing_hash(ledger.domain, leave) + b"yes"
    assert refusal(scene, "leave", 1, wallet, asked) == ("SignatureInvalid", wallet)
    scene.by(ledger.stranger, "leave", 1, wallet, KEY.sign(ledger.domain, leave))


def test_should_give_a_wallet_its_stake_back(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    wallet = create(scene, AGREES)
    scene.post(stake=9)
    until = ledger.task_view(1).claim_until
    message = Enrolment(1, scene.terms.spec, wallet, KEY.address, ENVELOPE, 9, until, FOREVER)
    values = (1, scene.terms.spec, wallet, KEY.address, ENVELOPE, 9, until, FOREVER)
    word = signing_hash(ledger.domain, message) + b"yes"
    scene.by(ledger.stranger, "enrol", [values], [word], value=9)
    scene.by(ledger.stranger, "leave", 1, wallet, KEY.sign(ledger.domain, Leave(1, wallet)))
    scene.by(ledger.stranger, "returnStake", 1, wallet)
    assert ledger.balance(wallet) == 9


@pytest.mark.parametrize("change", [{"envelope": PLAN}, {"signer": PLAN[:20]}, {"deadline": FOREVER - 1}])
def test_should_ask_for_exactly_what_is_entered(deployed: Scene, change: dict[str, Any]) -> None:
    wallet = create(deployed, AGREES)
    deployed.post()
    message, word = enrolment_of(deployed, wallet, **change)
    assert refusal(deployed, "enrol", [message], [word]) == ("SignatureInvalid", wallet)


@pytest.mark.parametrize("habit", [REVERTS, BURNS_GAS, ANSWERS_SHORT, ANSWERS_OTHERWISE])
def test_should_not_be_stopped_by_a_wallet(deployed: Scene, habit: int) -> None:
    scene, ledger = deployed, deployed.ledger
    wallet = create(scene, habit)
    scene.post()
    bad = enrolment_of(scene, wallet)
    assert refusal(scene, "enrol", [bad[0]], [bad[1]]) == ("SignatureInvalid", wallet)
    first, _, third = scene.clients
    entries = [scene.enrolment(first), bad, scene.enrolment(third)]
    outcome = scene.by(ledger.stranger, "enrol", *zip(*entries, strict=True))
    assert [event.client for event in outcome.events if isinstance(event, Enrolled)] == [first.address, third.address]
    snapshot = ledger.chain.snapshot()
    scene.task, scene.clients = 2, ledger.clients[3:6]
    try:
        scene.post()
        alone = scene.enrol(scene.clients[0], scene.clients[2]).gas
    finally:
        scene.task, scene.clients = 1, ledger.clients[:3]
        ledger.chain.revert(snapshot)
    assert outcome.gas - alone <= 125_000


def test_should_not_ask_an_account_without_code(deployed: Scene) -> None:
    """A call of nothing succeeds, and answers nothing."""
    deployed.post()
    for nobody in (deployed.outsider.address, bytes(19) + b"\x02"):  # 2: a precompile, SHA-256, answers with a hash
        message, word = enrolment_of(deployed, nobody)
        assert refusal(deployed, "enrol", [message], [word]) == ("SignatureInvalid", nobody)
