"""Python and Solidity agree, byte by byte: domain, signatures, leaves, declarations.

given any account and any values
    when Python signs an Enrolment, a Leave, a Commitment
        should be accepted by the contract
    when Python builds an allocation of any size
        should prove every leaf to the contract
given a signature in another form (high s, v of 0 or 1, compact, one byte too many)
    when it is sent
        should be refused, as protocol.signing refuses it
"""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.domain import Domain
from protocol.incentives.rewards import allocation_root, claim_proof
from protocol.messages.chain import DEFAULT_RULES
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import Commitment, Enrolment, Leave
from protocol.signing import domain_separator, type_string
from scripts.chain.development import CHAIN_ID
from storage.ledger.signer import Signer
from tests.contracts.scene import REWARD, Scene, label_of, publication

SOURCE = "".join(
    path.read_text(encoding="utf-8") for path in (Path(__file__).parents[2] / "contracts" / "src").rglob("*.sol")
)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
FEW = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32).filter(any)


def test_should_agree_on_domain_and_types(deployed: Scene) -> None:
    ledger = deployed.ledger
    assert ledger.view("domainSeparator") == domain_separator(Domain(CHAIN_ID, ledger.address))
    _, name, version, chain_id, contract, _, _ = ledger.view("eip712Domain")
    assert (name, version, chain_id, contract) == ("Hearth", "3", CHAIN_ID, ledger.address)
    for message_type in (Enrolment, Leave, Commitment):
        assert f'"{type_string(message_type)}"' in SOURCE


@FEW
@given(key=keys, envelope=digests)
def test_should_accept_any_enrolment_and_leave(enrolled: Scene, key: bytes, envelope: bytes) -> None:
    ledger, client = enrolled.ledger, Signer(key)
    snapshot = ledger.chain.snapshot()
    message, signature = enrolled.enrolment(client, envelope=envelope)
    enrolled.by(ledger.stranger, "enrol", [message], [signature])
    enrolled.by(ledger.stranger, "leave", *enrolled.leave_call(client))
    assert ledger.enrolment_view(1, client).left
    ledger.chain.revert(snapshot)


@FEW
@given(nonce=st.binary(min_size=16, max_size=16), ciphertext=digests)
def test_should_accept_any_commitment(opened: Scene, nonce: bytes, ciphertext: bytes) -> None:
    ledger, client = opened.ledger, opened.clients[0]
    snapshot = ledger.chain.snapshot()
    message = Commitment(1, 1, client.address, label_of(1), nonce, ciphertext)
    call = (1, 1, client.address, label_of(1), nonce, ciphertext), client.sign(ledger.domain, message)
    opened.by(ledger.stranger, "commitDirect", *call, opened.place(client))
    ledger.chain.revert(snapshot)


@FEW
@given(size=st.integers(1, 40), position=st.integers(0, 39), amount=st.integers(1, 3 * REWARD), grade=st.integers(0, 5))
def test_should_prove_every_leaf(requested: Scene, size: int, position: int, amount: int, grade: int) -> None:
    ledger, payee = requested.ledger, requested.clients[0].address
    snapshot = ledger.chain.snapshot()
    entries = [Entitlement(bytes([number + 1]) * 20, number, 1) for number in range(size)]
    entries[position % size] = Entitlement(payee, amount, grade)
    allocation = Allocation(1, 1, tuple(entries))
    requested.by_edge("publishRound", 1, publication(allocation_root(allocation), 3 * REWARD))
    proven = claim_proof(allocation, payee)
    requested.by(ledger.stranger, "claim", 1, (proven.index, *astuple(proven.entitlement)), proven.proof)
    assert ledger.balance(payee) == amount
    assert ledger.standing(requested.clients[0]).reputation == min(grade, DEFAULT_RULES.floor)
    ledger.chain.revert(snapshot)


@pytest.mark.parametrize("form", ["high s", "v is 0 or 1", "compact", "long", "empty", "zero"])
def test_should_refuse_other_forms_of_a_signature(enrolled: Scene, form: str) -> None:
    client = enrolled.clients[0]
    task, address, good = enrolled.leave_call(client)
    assert isinstance(good, bytes)
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    other = {
        "high s": r + (ORDER - s).to_bytes(32, "big") + bytes([55 - v]),
        "v is 0 or 1": good[:64] + bytes([v - 27]),
        "compact": r + (s | (v - 27) << 255).to_bytes(32, "big"),
        "long": good + b"\0",
        "empty": b"",
        "zero": bytes(65),
    }[form]
    refusal = enrolled.ledger.refusal(enrolled.ledger.stranger, "leave", task, address, other)
    assert refusal == ("SignatureInvalid", client.address)
    enrolled.by(enrolled.ledger.stranger, "leave", task, address, good)
