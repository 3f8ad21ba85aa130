"""enrol and leave.

given a task whose enrolment is open
    when anyone relays signed enrolments
        should enrol each client with its reputation and emit Enrolled
    when one entry of a batch is bad (signature, envelope, twice, too many)
        should refuse the whole batch
    when the deadline is this very second
        should enrol
    when it has passed, or the task is full
        should refuse
given an enrolled client
    when anyone relays its signed leave
        should mark it and emit Left, once
    when another signed it, or nobody enrolled
        should refuse
"""

from __future__ import annotations

from dataclasses import replace

from protocol.messages.chain import EnrolmentView
from protocol.messages.submission import Enrolment, Leave
from tests.contracts.scene import ENVELOPE, ZERO, Scene


def refusal(scene: Scene, *entries: tuple[tuple[object, ...], bytes]) -> tuple[object, ...]:
    messages, signatures = zip(*entries, strict=True)
    return scene.ledger.refusal(scene.ledger.stranger, "enrol", messages, signatures)


def test_should_enrol_each_client_of_a_batch(deployed: Scene) -> None:
    deployed.post()
    events = deployed.enrol(*deployed.clients).events
    for event, client in zip(events, deployed.clients, strict=True):
        own = {name: getattr(event, name) for name in type(event).__annotations__}
        _, signature = deployed.enrolment(client)
        expected = {"task": 1, "client": client.address, "envelope": ENVELOPE, "reputation": 2, "signature": signature}
        assert own == expected
        assert deployed.ledger.enrolment_view(1, client) == EnrolmentView(ENVELOPE, 0, 0, 2, False, False)
    assert deployed.ledger.task_view(1).enrolled == 3
    assert deployed.ledger.enrolment_view(1, deployed.outsider) == EnrolmentView(ZERO, 0, 0, 0, False, False)


def test_should_refuse_the_whole_batch_for_one_bad_entry(deployed: Scene) -> None:
    deployed.post()
    first, second, third = deployed.clients
    good, other = deployed.enrolment(first), deployed.enrolment(second)
    assert refusal(deployed, good, deployed.enrolment(second, envelope=ZERO)) == ("DigestZero",)
    assert refusal(deployed, good, good) == ("AlreadyEnrolled", 1, first.address)
    assert refusal(deployed, good, (other[0], good[1])) == ("SignatureInvalid", second.address)
    assert refusal(deployed, good, (other[0], b"")) == ("SignatureInvalid", second.address)
    ghost = ((1, bytes(20), ENVELOPE), bytes(65))
    assert refusal(deployed, good, ghost) == ("SignatureInvalid", bytes(20))
    calls = [good[0], other[0]], [good[1]]
    assert deployed.ledger.refusal(deployed.ledger.edge, "enrol", *calls) == ("TermsInvalid", "signatures")
    assert deployed.ledger.task_view(1).enrolled == 0
    deployed.enrol(first, second, third)
    assert refusal(deployed, good) == ("AlreadyEnrolled", 1, first.address)


def test_should_enrol_until_the_deadline_and_not_after(deployed: Scene) -> None:
    deployed.post()
    ledger = deployed.ledger
    ledger.pass_to(ledger.task_view(1).enrol_until)
    deployed.enrol(deployed.clients[0])
    ledger.pass_to(ledger.now + 1)
    assert refusal(deployed, deployed.enrolment(deployed.clients[1])) == ("EnrolmentClosed", 1)


def test_should_refuse_when_the_task_is_full(deployed: Scene) -> None:
    deployed.post(max_clients=2)
    first, second, third = (deployed.enrolment(client) for client in deployed.clients)
    assert refusal(deployed, first, second, third) == ("EnrolmentClosed", 1)
    deployed.enrol(*deployed.clients[:2])
    assert refusal(deployed, third) == ("EnrolmentClosed", 1)


def test_should_let_a_client_leave_once(enrolled: Scene) -> None:
    client, ledger = enrolled.clients[0], enrolled.ledger
    call = enrolled.leave_call(client)
    event = enrolled.by(ledger.stranger, "leave", *call).sole()
    assert event == {"event": "Left", "task": 1, "client": client.address, "signature": call[2]}
    assert ledger.enrolment_view(1, client) == EnrolmentView(ENVELOPE, 0, 0, 2, True, False)
    assert ledger.task_view(1).enrolled == 3
    assert ledger.refusal(ledger.stranger, "leave", *call) == ("NotEnrolled", 1, client.address)
    assert refusal(enrolled, enrolled.enrolment(client)) == ("AlreadyEnrolled", 1, client.address)


def test_should_refuse_a_leave_that_the_client_did_not_sign(enrolled: Scene) -> None:
    ledger, (client, other, _) = enrolled.ledger, enrolled.clients
    by_other = other.sign(ledger.domain, Leave(1, client.address))
    assert ledger.refusal(other, "leave", 1, client.address, by_other) == ("SignatureInvalid", client.address)
    enrolment = client.sign(ledger.domain, Enrolment(1, client.address, ENVELOPE))
    assert ledger.refusal(other, "leave", 1, client.address, enrolment) == ("SignatureInvalid", client.address)
    outsider = enrolled.outsider
    assert ledger.refusal(other, "leave", *enrolled.leave_call(outsider)) == ("NotEnrolled", 1, outsider.address)


def test_should_refuse_signatures_of_another_chain_ledger_or_task(deployed: Scene) -> None:
    deployed.post()
    deployed.post()
    client, domain = deployed.clients[0], deployed.ledger.domain
    message = Enrolment(1, client.address, ENVELOPE)
    elsewhere = [(replace(domain, chain_id=1), message), (replace(domain, ledger=bytes(20)), message)]
    for where, signed in [*elsewhere, (domain, replace(message, task=2))]:
        entry = ((1, client.address, ENVELOPE), client.sign(where, signed))
        assert refusal(deployed, entry) == ("SignatureInvalid", client.address)
