"""enrol and leave.

given a task that runs
    when anyone relays signed enrolments
        should enrol each client with its reputation and signer, and emit Enrolled
    when one entry among several is bad (signature, envelope, twice, too many, another task, too low a reputation)
        should enrol the others and give the sender the stake of this one back
        should owe it to a sender that takes no money
    when the only entry is bad
        should say why
given an enrolled client
    when anyone relays its signed leave
        should mark it and emit Left, once
    when another signed it, or nobody enrolled
        should refuse
"""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from protocol.keccak import keccak
from protocol.messages.chain import Credited, Enrolled, EnrolmentView
from protocol.messages.submission import Leave
from storage.ledger.ethereum.calls import encode_call
from tests.contracts.bonded import refusal
from tests.contracts.scene import ENVELOPE, FOREVER, ZERO, Scene
from tests.contracts.test_claim import REENTRANT

STAKE = 9
Entry = tuple[tuple[object, ...], bytes]


def enrol_refusal(scene: Scene, *entries: Entry) -> tuple[object, ...]:
    messages, signatures = zip(*entries, strict=True)
    return refusal(scene, "enrol", messages, signatures, value=len(entries) * scene.terms.stake)


def test_should_enrol_each_client_of_a_batch(deployed: Scene) -> None:
    deployed.post()
    events = deployed.enrol(*deployed.clients).events
    for event, client in zip(events, deployed.clients, strict=True):
        own = {name: getattr(event, name) for name in type(event).__annotations__}
        _, signature = deployed.enrolment(client)
        expected = {"task": 1, "client": client.address, "envelope": ENVELOPE, "reputation": 2}
        assert own == {**expected, "signer": client.address, "deadline": FOREVER, "signature": signature}
        assert deployed.ledger.enrolment_view(1, client) == EnrolmentView(ENVELOPE, 0, 0, 2, False, False)
        assert deployed.ledger.view("signerOf", 1, client.address) == bytes(20)  # its own
    assert deployed.ledger.task_view(1).enrolled == 3
    assert deployed.ledger.enrolment_view(1, deployed.outsider) == EnrolmentView(ZERO, 0, 0, 0, False, False)


def bad(scene: Scene, flaw: str) -> Entry:
    """Of the second client, which is good but for that; the first one is enrolled before it."""
    first, second, third = scene.clients
    good, other = scene.enrolment(second), scene.enrolment(third)
    flawed: dict[str, Any] = {
        "envelope": lambda: scene.enrolment(second, envelope=ZERO),
        "twice": lambda: scene.enrolment(first),
        "signature": lambda: (good[0], other[1]),
        "no signature": lambda: (good[0], b""),
        "nobody": lambda: ((*good[0][:2], bytes(20), *good[0][3:]), bytes(65)),
        "task": lambda: scene.enrolment(second, task=2),
        "late": lambda: scene.enrolment(second, deadline=scene.ledger.now - 1),
    }
    entry: Entry = flawed[flaw]()
    return entry


FLAWS = {
    "envelope": "DigestZero",
    "twice": "AlreadyEnrolled",
    "signature": "SignatureInvalid",
    "no signature": "SignatureInvalid",
    "nobody": "SignatureInvalid",
    "task": "SignatureInvalid",
    "late": "TooLate",
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_should_pass_over_a_bad_entry_among_others(deployed: Scene, flaw: str) -> None:
    """Whoever wants to keep others out could put one into their batch."""
    ledger, (first, _, third) = deployed.ledger, deployed.clients
    deployed.post(stake=STAKE)
    entries = [deployed.enrolment(first), bad(deployed, flaw), deployed.enrolment(third)]
    messages, signatures = zip(*entries, strict=True)
    assert refusal(deployed, "enrol", messages, signatures, value=2 * STAKE) == ("EscrowWrong", 2 * STAKE, 3 * STAKE)
    before = ledger.balance(ledger.address)
    said = deployed.by(ledger.stranger, "enrol", messages, signatures, value=3 * STAKE).events
    assert [event.client for event in said if isinstance(event, Enrolled)] == [first.address, third.address]
    assert len(said) == 2
    assert (ledger.task_view(1).enrolled, ledger.task_view(1).deposits) == (2, 2 * STAKE)
    assert ledger.balance(ledger.address) == before + 2 * STAKE
    assert ledger.balance(ledger.address) == ledger.task_view(1).escrow + ledger.task_view(1).deposits
    if flaw != "task":  # alone it is of that other one
        assert enrol_refusal(deployed, entries[1])[0] == FLAWS[flaw]


def test_should_pass_over_whom_there_is_no_room_for(deployed: Scene) -> None:
    deployed.post(max_clients=2)
    said = deployed.enrol(*deployed.clients).events
    assert [type(event).__name__ for event in said] == ["Enrolled", "Enrolled", "EnrolmentFull"]
    assert enrol_refusal(deployed, deployed.enrolment(deployed.clients[2])) == ("EnrolmentClosed", 1)


def test_should_pass_over_who_works_elsewhere_and_who_is_too_low(published: Scene) -> None:
    first, second, third = published.clients
    published.pass_after(published.ledger.task_view(1).task_until)
    for client in (second, third):
        published.claim(client)  # a reputation of two
    published.post(min_reputation=3, initial_reputation=5, reputation_sources=())
    published.task = 2
    newcomer = published.outsider
    entries = [published.enrolment(client) for client in (first, second, newcomer)]
    messages, signatures = zip(*entries, strict=True)
    said = published.by(published.ledger.stranger, "enrol", messages, signatures).sole()
    assert said["client"] == newcomer.address
    assert enrol_refusal(published, entries[0]) == ("ReputationPending", first.address, 1)
    assert enrol_refusal(published, entries[1]) == ("ReputationWrong", second.address, 2, 3, 5)


def test_should_enrol_nobody_for_a_task_that_is_none(deployed: Scene) -> None:
    """All are passed over; nothing is said and nothing kept."""
    deployed.post()
    entries = [deployed.enrolment(client, task=7) for client in deployed.clients]
    messages, signatures = zip(*entries, strict=True)
    assert deployed.by(deployed.ledger.stranger, "enrol", messages, signatures).events == ()
    assert enrol_refusal(deployed, entries[0]) == ("TaskUnknown", 7)


def test_should_take_one_signature_for_each(deployed: Scene) -> None:
    deployed.post()
    messages, signatures = deployed.enrol_call(*deployed.clients[:2])
    assert isinstance(signatures, tuple)
    calls: list[tuple[object, ...]] = [([], []), (messages, signatures[:1])]
    for call in calls:
        assert refusal(deployed, "enrol", *call) == ("TermsInvalid", "signatures")


def test_should_owe_a_stake_to_a_sender_that_takes_no_money(deployed: Scene) -> None:
    ledger, first = deployed.ledger, deployed.clients[0]
    deployed.post(stake=STAKE)
    relay = ledger.create(bytes.fromhex(REENTRANT["bytecode"][2:]))
    arm = keccak(b"arm(address,bytes)")[:4] + encode(["address", "bytes"], [ledger.address, b"\x01\x02\x03\x04"])
    ledger.transact(ledger.stranger, relay, arm)
    entries = [deployed.enrolment(first), bad(deployed, "envelope")]
    call = encode_call("enrol", *zip(*entries, strict=True))
    forward = keccak(b"forward(address,bytes)")[:4] + encode(["address", "bytes"], [ledger.address, call])
    said = ledger.transact(ledger.stranger, relay, forward, 2 * STAKE).events
    assert [type(event) for event in said] == [Enrolled, Credited]
    assert ledger.view("creditOf", 1, relay) == STAKE
    assert ledger.task_view(1).deposits == 2 * STAKE


def test_should_let_a_client_leave_once(enrolled: Scene) -> None:
    client, ledger = enrolled.clients[0], enrolled.ledger
    call = enrolled.leave_call(client)
    event = enrolled.by(ledger.stranger, "leave", *call).sole()
    assert event == {"event": "Left", "task": 1, "client": client.address, "signature": call[2]}
    assert ledger.enrolment_view(1, client) == EnrolmentView(ENVELOPE, 0, 0, 2, True, False)
    assert ledger.task_view(1).enrolled == 3
    assert ledger.refusal(ledger.stranger, "leave", *call) == ("NotEnrolled", 1, client.address)
    assert enrol_refusal(enrolled, enrolled.enrolment(client)) == ("AlreadyEnrolled", 1, client.address)


def test_should_refuse_a_leave_that_the_client_did_not_sign(enrolled: Scene) -> None:
    ledger, (client, other, _) = enrolled.ledger, enrolled.clients
    by_other = other.sign(ledger.domain, Leave(1, client.address))
    assert ledger.refusal(other, "leave", 1, client.address, by_other) == ("SignatureInvalid", client.address)
    _, enrolment = enrolled.enrolment(client)
    assert ledger.refusal(other, "leave", 1, client.address, enrolment) == ("SignatureInvalid", client.address)
    outsider = enrolled.outsider
    assert ledger.refusal(other, "leave", *enrolled.leave_call(outsider)) == ("NotEnrolled", 1, outsider.address)
