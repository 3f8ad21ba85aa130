"""An adversary that tries everything against one task, and loses each time with a typed error.

given a task with an honest crowd
    when the adversary redirects a payee, claims twice, or claims for a rejected update
        should pay nobody but the leaf's client, once, what it earned
    when it replays signatures on another chain, ledger, task or round
        should refuse
    when it copies or overtakes what others send
        should gain nothing: the message counts for whoever signed it
    when any party stops
        should go on without it after a deadline, and give the money to whom it belongs
    when it pays too little, too much, or in a call that takes nothing
        should refuse
    when it wants to be rid of a bad reputation
        should refuse its next enrolment
    when it enters again while it is paid
        is in test_claim, test_refund and test_token
"""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from protocol.domain import Domain
from protocol.incentives.rewards import claim_proof
from protocol.messages.submission import Commitment, Leave
from protocol.round.state_table import RoundState
from storage.ledger.signer import Signer
from tests.contracts.ledger import Refusal
from tests.contracts.scene import CIPHERTEXT, NONCE, PLAN, REQUEST, REWARD, Scene, label_of


def attempt(scene: Scene, name: str, *arguments: object, value: int = 0) -> Refusal:
    """By a stranger with money."""
    return scene.ledger.refusal(scene.ledger.stranger, name, *arguments, value=value)


def test_should_not_redirect_a_payee(published: Scene) -> None:
    task, leaf, proof = published.claim_call(published.clients[0])
    thief = published.clients[1].address
    assert isinstance(leaf, tuple)
    assert attempt(published, "claim", task, (leaf[0], thief, *leaf[2:]), proof) == ("ProofInvalid", 1, thief)
    task, leaves, proof, flags = published.claim_many_call(*published.clients[:2])
    assert isinstance(leaves, list)
    leaves[0] = (leaves[0][0], published.outsider.address, *leaves[0][2:])
    assert attempt(published, "claimMany", task, leaves, proof, flags) == ("ProofInvalid", 1, bytes(20))


def test_should_not_claim_twice_or_for_a_rejected_update(requested: Scene) -> None:
    first, second, third = requested.clients
    requested.publish(paid=[first, second])
    requested.claim(first)
    assert attempt(requested, "claim", *requested.claim_call(first)) == ("NothingToPay", 1, first.address)
    assert attempt(requested, "claim", *requested.claim_call(third)) == ("NothingToPay", 1, third.address)
    proven = claim_proof(requested.allocation(), third.address)
    forged = (proven.index, *astuple(replace(proven.entitlement, cumulative=REWARD)))
    assert attempt(requested, "claim", 1, forged, proven.proof) == ("ProofInvalid", 1, third.address)
    assert requested.claim_many(first, second, third).sole()["client"] == second.address


def test_should_not_replay_a_signature_elsewhere(opened: Scene) -> None:
    client, ledger = opened.clients[0], opened.ledger
    here, place = ledger.domain, opened.place(client)
    commitment = Commitment(1, 1, client.address, label_of(1), NONCE, CIPHERTEXT)
    for domain in (Domain(1, here.ledger), Domain(here.chain_id, b"\x01" * 20)):
        for name, call in (
            ("commitDirect", (astuple(commitment), client.sign(domain, commitment), place)),
            ("leave", (1, client.address, client.sign(domain, Leave(1, client.address)))),
        ):
            assert attempt(opened, name, *call) == ("SignatureInvalid", client.address)
    for other in (replace(commitment, task=2), replace(commitment, round=2), replace(commitment, label=label_of(2))):
        signature = client.sign(here, other)
        refusal = attempt(opened, "commitDirect", astuple(commitment), signature, place)
        assert refusal == ("SignatureInvalid", client.address)
    assert attempt(opened, "commitDirect", astuple(replace(commitment, label=PLAN)), b"", place)[0] == "LabelWrong"


def test_should_not_profit_from_what_others_send(opened: Scene) -> None:
    """In the mempool it sees a commitment, an enrolment and a leave."""
    victim, thief, _ = opened.clients
    message, signature, place = opened.direct(victim)
    stolen = (*message[:2], thief.address, *message[3:])
    for where, refusal in ((place, ("NotPlanned", 1)), (opened.place(thief), ("SignatureInvalid",))):
        assert attempt(opened, "commitDirect", stolen, signature, where) == (*refusal, thief.address)
    call = "commitDirect", message, signature, place
    event = opened.by(opened.ledger.stranger, *call).sole()  # sent by another: the same
    assert event["client"] == victim.address
    assert attempt(opened, *call) == ("AlreadyCommitted", 1, 1, victim.address)
    message, signature = opened.enrolment(opened.outsider)
    stolen = (*message[:3], thief.address, *message[4:])  # as the signer
    assert attempt(opened, "enrol", [stolen], [signature]) == ("SignatureInvalid", opened.outsider.address)


@pytest.mark.parametrize("stalling", ["edge before", "edge open", "edge requested", "clients", "enrolment"])
def test_should_go_on_without_whoever_stalls(deployed: Scene, stalling: str) -> None:
    ledger = deployed.ledger
    deployed.post()
    if stalling == "enrolment":
        deployed.enrol(deployed.clients[0])
        deployed.pass_rosters()
    else:
        deployed.enrol(*deployed.clients)
        if stalling != "edge before":
            deployed.open()
        if stalling == "edge requested":
            deployed.request()
        if stalling == "clients":
            deployed.commit_batch(count=1)
            deployed.pass_after(ledger.round_view(1, 1).commit_until)
            deployed.by_edge("requestKey", 1, REQUEST)
            deployed.publish(paid=deployed.clients[:1])
            assert ledger.round_view(1, 1).state is RoundState.PUBLISHED
        elif stalling != "edge before":
            deployed.pass_after(ledger.round_view(1, 1).settle_until)
            deployed.by(ledger.stranger, "expireRound", 1, 1)
        deployed.pass_after(ledger.task_view(1).task_until)
    before = ledger.balance(ledger.manufacturer.address)
    deployed.by(ledger.stranger, "refund", 1)
    owed = {"clients": REWARD, "edge requested": 3 * REWARD}.get(stalling, 0)  # published, or perhaps opened
    assert ledger.balance(ledger.manufacturer.address) - before == deployed.escrow() - owed


def test_should_not_fund_wrongly(enrolled: Scene) -> None:
    terms, escrow = astuple(enrolled.terms), enrolled.escrow()
    for value in (0, escrow - 1, escrow + 1):
        assert attempt(enrolled, "postTask", terms, value=value) == ("EscrowWrong", value, escrow)
    message, signature = enrolled.enrolment(enrolled.outsider)
    assert attempt(enrolled, "enrol", [message], [signature], value=1) == ("EscrowWrong", 1, 0)
    assert attempt(enrolled, "placeBond", 1, enrolled.ledger.edge.address, value=1) == ("EscrowWrong", 1, 0)
    for name, call in (("refund", (1,)), ("expireRound", (1, 1)), ("leave", enrolled.leave_call(enrolled.clients[0]))):
        assert attempt(enrolled, name, *call, value=1) == ("Unknown", b"")


def test_should_not_shed_a_bad_reputation(published: Scene) -> None:
    """By not claiming, by leaving, by another task that has already begun, by another manufacturer's task."""
    client, ledger = published.clients[0], published.ledger
    published.post(initial_reputation=1)
    leave = client.sign(ledger.domain, Leave(1, client.address))
    published.task = 2
    message, signature = published.enrolment(client)
    pending = ("ReputationPending", client.address, 1)
    assert attempt(published, "enrol", [message], [signature]) == pending
    published.by(ledger.stranger, "leave", 1, client.address, leave)
    assert attempt(published, "enrol", [message], [signature]) == pending
    task, leaf, proof = call_in(published, 1, client)
    published.by(ledger.stranger, "claim", task, leaf, proof)  # anyone applies it
    published.by(ledger.stranger, "enrol", [message], [signature])
    assert ledger.enrolment_view(2, client).reputation == 2  # of the leaf, which is believed up to the floor at once


def call_in(scene: Scene, task: int, client: Signer) -> tuple[object, ...]:
    scene.task, current = task, scene.task
    call = scene.claim_call(client)
    scene.task = current
    return call
