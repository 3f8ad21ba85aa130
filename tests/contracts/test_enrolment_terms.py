"""What a client's enrolment says, and for how long.

given the typed data that a wallet shows: task, spec, client, signer, envelope, stake, end of the lock, deadline
    when any of it is not what the ledger has of the task, or was signed for another chain or ledger
        should refuse, though the client signed it
    when it names another key
        should take commitments and the leave by that key, and by no other one
    when its deadline is this very second
        should take it; a second later refuse
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from protocol.messages.submission import Commitment, Enrolment, Leave
from protocol.signing import type_string
from storage.ledger.signer import Signer
from tests.contracts.bonded import refusal
from tests.contracts.ledger import Refusal
from tests.contracts.scene import CIPHERTEXT, ENVELOPE, FOREVER, NONCE, PLAN, ZERO, Scene, label_of

STAKE = 9


def enrol_refusal(scene: Scene, client: Signer, **changes: Any) -> Refusal:
    message, signature = scene.enrolment(client, **changes)
    return refusal(scene, "enrol", [message], [signature], value=scene.terms.stake)


def test_should_show_a_wallet_what_it_is_about() -> None:
    members = "uint256 task,bytes32 spec,address client,address signer,bytes32 envelope,uint128 stake"
    assert type_string(Enrolment) == f"Enrolment({members},uint48 lockedUntil,uint48 deadline)"


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": PLAN},
        {"spec": ZERO},
        {"stake": STAKE - 1},
        {"stake": STAKE + 1},
        {"stake": 0},
        {"locked_until": 0},
        {"locked_until": FOREVER},
        {"signer": bytes(20)},
    ],
)
def test_should_refuse_what_is_not_so(deployed: Scene, changes: dict[str, Any]) -> None:
    deployed.post(stake=STAKE)
    client = deployed.clients[0]
    assert enrol_refusal(deployed, client, **changes) == ("SignatureInvalid", client.address)
    good, signature = deployed.enrolment(client)
    deployed.by(deployed.ledger.stranger, "enrol", [good], [signature], value=STAKE)


def test_should_lock_until_the_end_of_claims(deployed: Scene) -> None:
    deployed.post(stake=STAKE)
    until, client = deployed.ledger.task_view(1).claim_until, deployed.clients[0]
    for instant in (until - 1, until + 1):
        assert enrol_refusal(deployed, client, locked_until=instant) == ("SignatureInvalid", client.address)
    message, signature = deployed.enrolment(client, locked_until=until)
    deployed.by(deployed.ledger.stranger, "enrol", [message], [signature], value=STAKE)


@pytest.mark.parametrize("position", range(8))
def test_should_refuse_whatever_the_client_did_not_sign(deployed: Scene, position: int) -> None:
    """The ledger would take each of these members."""
    deployed.post()
    deployed.post()
    client, other = deployed.clients[:2]
    message, signature = deployed.enrolment(client)
    until = deployed.ledger.task_view(1).claim_until
    changed = [2, PLAN, other.address, other.address, PLAN, 1, until + 1, FOREVER - 1][position]
    entry = (*message[:position], changed, *message[position + 1 :])
    named = entry[2]
    assert refusal(deployed, "enrol", [entry], [signature], value=0) == ("SignatureInvalid", named)


def test_should_refuse_signatures_of_another_chain_ledger_or_task(deployed: Scene) -> None:
    deployed.post()
    deployed.post()
    client, domain = deployed.clients[0], deployed.ledger.domain
    values, _ = deployed.enrolment(client)
    message = Enrolment(*cast(tuple[Any, ...], values))
    elsewhere = [(replace(domain, chain_id=1), message), (replace(domain, ledger=bytes(20)), message)]
    for where, signed in [*elsewhere, (domain, replace(message, task=2))]:
        call = [values], [client.sign(where, signed)]
        assert refusal(deployed, "enrol", *call) == ("SignatureInvalid", client.address)


@pytest.mark.parametrize("late", [False, True])
def test_should_take_an_enrolment_until_its_deadline(deployed: Scene, late: bool) -> None:
    deployed.post()
    ledger, client = deployed.ledger, deployed.clients[0]
    deadline = ledger.now + 100
    message, signature = deployed.enrolment(client, deadline=deadline)
    ledger.pass_to(deadline + late)
    if late:
        assert refusal(deployed, "enrol", [message], [signature]) == ("TooLate", deadline)
    else:
        event = deployed.by(ledger.stranger, "enrol", [message], [signature]).sole()
        assert event["deadline"] == deadline


def test_should_obey_the_key_that_was_named_alone(deployed: Scene) -> None:
    scene, ledger = deployed, deployed.ledger
    client, other, third = scene.clients
    phone = ledger.stranger
    scene.post()
    message, signature = scene.enrolment(client, signer=phone.address)
    event = scene.by(ledger.stranger, "enrol", [message], [signature]).sole()
    assert event["signer"] == phone.address == ledger.view("signerOf", 1, client.address)
    assert ledger.enrolment_view(1, client).envelope == ENVELOPE
    scene.enrol(other, third)
    scene.open()
    commitment = Commitment(1, 1, client.address, label_of(1), NONCE, CIPHERTEXT)
    values, _, place = scene.direct(client)
    for signer in (client, other):
        call = values, signer.sign(ledger.domain, commitment), place
        assert refusal(scene, "commitDirect", *call) == ("SignatureInvalid", client.address)
    scene.by(ledger.stranger, "commitDirect", values, phone.sign(ledger.domain, commitment), place)
    leave = Leave(1, client.address)
    for signer in (client, other):
        word = signer.sign(ledger.domain, leave)
        assert refusal(scene, "leave", 1, client.address, word) == ("SignatureInvalid", client.address)
    scene.by(ledger.stranger, "leave", 1, client.address, phone.sign(ledger.domain, leave))
    # and that key signs for nobody else, nor for its client in another task
    mine = Commitment(1, 1, other.address, label_of(1), NONCE, CIPHERTEXT)
    values, _, place = scene.direct(other)
    call = values, phone.sign(ledger.domain, mine), place
    assert refusal(scene, "commitDirect", *call) == ("SignatureInvalid", other.address)
    assert ledger.view("signerOf", 2, client.address) == bytes(20)
