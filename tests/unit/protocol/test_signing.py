"""EIP-712: equal to eth-account's, bound to domain, type and every field; only one form of a signature is accepted."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth_account import Account

from protocol.domain import Domain
from protocol.errors import HearthError, MalformedError, Party, VerificationError
from protocol.messages.consent import Consent
from protocol.messages.issued import IssuedStatement
from protocol.messages.keys import KeyAcceptanceStatement, PartialKeyStatement, WindowKeyStatement
from protocol.messages.submission import Commitment, Enrolment, Leave
from protocol.signing import Signable, address_of, sign, type_string, verify

KEY = bytes(range(1, 33))
ME = address_of(KEY)
DOMAIN = Domain(31337, bytes(range(20)))
MESSAGES: list[Signable] = [
    Enrolment(7, b"\1" * 32, ME, b"\2" * 20, b"\3" * 32, 4, 5, 6),
    IssuedStatement(7, 3, b"\1" * 32, b"\2" * 32, ME),
    Consent(7, ME, b"\1" * 32, b"\2" * 32, b"\3" * 32),
    Leave(7, ME),
    Commitment(7, 3, ME, b"\1" * 32, b"\2" * 16, b"\3" * 32),
    PartialKeyStatement(7, 3, b"\1" * 32, b"\2" * 32, ME, 0, b"\4" * 32),
    KeyAcceptanceStatement(7, ME, b"\5" * 32, b"\6" * 20),
    WindowKeyStatement(7, 3, ME, b"\7" * 32),
]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_equals_eth_account(message: Signable) -> None:
    name, _, members = type_string(type(message)).rstrip(")").partition("(")
    types = [dict(zip(("type", "name"), member.split(), strict=True)) for member in members.split(",")]
    values = [getattr(message, field.name) for field in fields(message)]
    values = ["0x" + v.hex() if t["type"] == "address" else v for t, v in zip(types, values, strict=True)]
    domain = {"name": "Hearth", "version": "3", "chainId": 31337, "verifyingContract": "0x" + DOMAIN.ledger.hex()}
    content = {t["name"]: v for t, v in zip(types, values, strict=True)}
    expected = Account.sign_typed_data(KEY, domain, {name: types}, content)
    assert sign(DOMAIN, message, KEY) == bytes(expected.signature)
    verify(DOMAIN, message, sign(DOMAIN, message, KEY), ME, Party.CLIENT)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_bound_to_every_field_and_to_the_domain(message: Signable) -> None:
    signature = sign(DOMAIN, message, KEY)
    for field in fields(message):
        value = getattr(message, field.name)
        changed: Any = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
        others: Any = {field.name: changed}
        with pytest.raises(VerificationError):
            verify(DOMAIN, replace(message, **others), signature, ME, Party.CLIENT)
    for other in (Domain(1, DOMAIN.ledger), Domain(31337, bytes(20))):
        with pytest.raises(VerificationError):
            verify(other, message, signature, ME, Party.CLIENT)


def test_only_the_low_s_form_with_v_27_or_28_is_accepted() -> None:
    message = MESSAGES[0]
    signature = sign(DOMAIN, message, KEY)
    s = int.from_bytes(signature[32:64], "big")
    high = signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes([27 + 28 - signature[64]])
    broken = [high, signature[:64], signature + b"\0", signature[:64] + bytes([signature[64] - 27]), bytes(65)]
    broken += [bytes(64) + b"\x1b", b"\xff" * 64 + b"\x1b"]
    for candidate in broken:
        with pytest.raises(HearthError) as caught:
            verify(DOMAIN, message, candidate, ME, Party.CLIENT)
        assert isinstance(caught.value, VerificationError | MalformedError) and caught.value.fault is Party.CLIENT
