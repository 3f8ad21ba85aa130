"""enrolWithVouchers, and the key that a task names.

given a task whose terms name a voucher key
    when clients show the manufacturer's signatures
        should enrol each, and emit VoucherShown before Enrolled
    when one voucher among several is bad
        should enrol the others
    when the only one is bad: of another key, task, client, changed, too large, of a hash that differs in one block
        should say so
    when the token of its stakes calls again meanwhile
        should let nobody in
    when vouchers, or the modulus, are not what the call needs
        should refuse all of it
given a key that a task had
    when another task names it
        should refuse
given a task without a key
    when vouchers come
        should refuse
given the same calls
    when the reference and the contract are told them
        should say the same
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from protocol.identifiers import NATIVE_COIN
from protocol.keccak import keccak
from protocol.messages.chain import Enrolled, VoucherShown
from protocol.vouchers.blinding import Statement
from protocol.vouchers.permutation import EXPONENT
from storage.ledger.ethereum.calls import encode_call
from storage.ledger.signer import Signer
from tests.contracts.bonded import refusal
from tests.contracts.course import Course
from tests.contracts.crowd import CLIENTS, MANUFACTURER, STRANGER
from tests.contracts.scene import Scene
from tests.contracts.test_enrol import STAKE
from tests.contracts.test_token import Token
from tests.voucher_keys import KEYS, modulus_of, voucher_of

OURS, THEIRS = KEYS
MODULUS = modulus_of(OURS)
KEY = keccak(MODULUS)
INVALID = "VoucherInvalid"


def voucher(scene: Scene, client: Signer, **changes: Any) -> bytes:
    asked = {"key": OURS, "domain": scene.ledger.domain, "task": scene.task, "client": client.address, **changes}
    return voucher_of(*asked.values())


def call(scene: Scene, vouchers: dict[Signer, bytes], modulus: bytes = MODULUS) -> tuple[object, ...]:
    messages, signatures = zip(*(scene.enrolment(client) for client in vouchers), strict=True)
    return messages, signatures, b"".join((modulus, *vouchers.values()))


def refused(scene: Scene, vouchers: dict[Signer, bytes], modulus: bytes = MODULUS) -> tuple[object, ...]:
    return refusal(scene, "enrolWithVouchers", *call(scene, vouchers, modulus))


def test_should_enrol_who_shows_a_voucher(deployed: Scene) -> None:
    deployed.post(voucher_key=KEY)
    shown = {client: voucher(deployed, client) for client in deployed.clients}
    events = deployed.by(deployed.ledger.stranger, "enrolWithVouchers", *call(deployed, shown)).events
    assert [type(event) for event in events] == [VoucherShown, Enrolled] * 3
    told = {event.client: event.voucher for event in events if isinstance(event, VoucherShown)}
    assert told == {client.address: said for client, said in shown.items()}
    assert deployed.ledger.task_view(1).enrolled == 3


def bad_vouchers(scene: Scene, client: Signer) -> dict[str, bytes]:
    good = voucher(scene, client)
    number = int.from_bytes(good)
    larger = number + OURS.modulus
    return {
        "another key": voucher(scene, client, key=THEIRS),
        "another task": voucher(scene, client, task=2),
        "another client": voucher(scene, scene.outsider),
        "first bit": bytes([good[0] ^ 0x80]) + good[1:],
        "last bit": good[:-1] + bytes([good[-1] ^ 1]),
        "a middle word": good[:130] + bytes([good[130] ^ 1]) + good[131:],
        "its negative": (OURS.modulus - number).to_bytes(256),
        "the modulus": MODULUS,
        "nothing": bytes(256),
        **({"too large": larger.to_bytes(256)} if larger < 2**2048 else {}),
    }


def test_should_refuse_every_other_voucher(deployed: Scene) -> None:
    deployed.post(voucher_key=KEY)
    first, client, _ = deployed.clients
    for what, bad in bad_vouchers(deployed, client).items():
        assert refused(deployed, {client: bad}) == (INVALID, 1, client.address), what
        among = call(deployed, {first: voucher(deployed, first), client: bad})
        snapshot = deployed.ledger.chain.snapshot()
        events = deployed.by(deployed.ledger.stranger, "enrolWithVouchers", *among).events
        assert [type(event) for event in events] == [VoucherShown, Enrolled], what
        deployed.ledger.chain.revert(snapshot)


def test_should_compare_every_block_of_the_hash(deployed: Scene) -> None:
    """Whoever has the key could sign what differs in one of them alone."""
    deployed.post(voucher_key=KEY)
    client = deployed.clients[0]
    said = Statement(deployed.ledger.domain, MODULUS, 1, client.address).hash
    exponent = pow(EXPONENT, -1, (OURS.p - 1) * (OURS.q - 1))
    for block in range(8):
        for bit in (0, 254):
            other = pow(said ^ 1 << (256 * block + bit), exponent, OURS.modulus).to_bytes(256)
            assert refused(deployed, {client: other}) == (INVALID, 1, client.address), (block, bit)


def test_should_refuse_a_signature_that_is_not_below_the_modulus(deployed: Scene) -> None:
    """One value, one voucher: the same plus the modulus has the same power."""
    deployed.post(voucher_key=KEY)
    client = next(
        one for one in deployed.ledger.clients if int.from_bytes(voucher(deployed, one)) < 2**2048 - OURS.modulus
    )
    larger = (int.from_bytes(voucher(deployed, client)) + OURS.modulus).to_bytes(256)
    assert refused(deployed, {client: larger}) == (INVALID, 1, client.address)


@pytest.mark.parametrize(
    ("modulus", "size"),
    [(b"", 0), (b"", 512), (MODULUS, 0), (MODULUS, 256), (MODULUS, 511), (MODULUS, 768), (modulus_of(THEIRS), 512),
     (MODULUS[:-1], 512), (MODULUS + b"\0", 512)],
)  # fmt: skip
def test_should_refuse_a_call_with_other_vouchers(deployed: Scene, modulus: bytes, size: int) -> None:
    deployed.post(voucher_key=KEY)
    messages, signatures = deployed.enrol_call(*deployed.clients[:2])
    some = b"".join(voucher(deployed, client) for client in deployed.clients)[:size]
    said = refusal(deployed, "enrolWithVouchers", messages, signatures, modulus + some)
    assert said == ("TermsInvalid", "vouchers")
    assert refusal(deployed, "enrol", messages, signatures) == ("TermsInvalid", "vouchers")


@pytest.mark.parametrize("modulus", [bytes([0x7F]) + MODULUS[1:], MODULUS[1:], MODULUS + b"\1"])
def test_should_take_no_modulus_of_another_length(deployed: Scene, modulus: bytes) -> None:
    """Also where the terms name it."""
    deployed.post(voucher_key=keccak(modulus))
    client = deployed.clients[0]
    assert refused(deployed, {client: bytes(len(modulus))}, modulus) == ("TermsInvalid", "vouchers")


def test_should_refuse_a_key_that_a_task_had(deployed: Scene) -> None:
    deployed.post(voucher_key=KEY)
    manufacturer = deployed.ledger.manufacturer
    again = astuple(deployed.terms)
    said = deployed.ledger.refusal(manufacturer, "postTask", again, value=deployed.escrow())
    assert said == ("VoucherKeyUsed", KEY)
    deployed.post(voucher_key=keccak(modulus_of(THEIRS)))
    deployed.post(voucher_key=bytes(32))


def test_should_take_no_voucher_where_none_is_needed(deployed: Scene) -> None:
    deployed.post()
    client = deployed.clients[0]
    assert refused(deployed, {client: voucher(deployed, client)}) == ("TermsInvalid", "vouchers")


def test_should_let_nobody_in_while_it_takes_stakes(deployed: Scene) -> None:
    token, (first, _, third) = Token(deployed), deployed.clients
    ledger, payer = deployed.ledger, deployed.ledger.manufacturer
    deployed.post()
    meanwhile = deployed.enrol_call(third)
    token.call(payer, "mint(address,uint256)", payer.address, deployed.escrow() + STAKE)
    token.call(payer, "approve(address,uint256)", ledger.address, deployed.escrow() + STAKE)
    deployed.post(token=token.address, stake=STAKE, voucher_key=KEY)
    deployed.task = 2
    shown = call(deployed, {first: voucher(deployed, first)})
    token.call(payer, "call(address,bytes)", ledger.address, encode_call("enrol", *meanwhile))
    events = deployed.by(payer, "enrolWithVouchers", *shown).events
    assert [type(event) for event in events] == [VoucherShown, Enrolled]
    assert [ledger.task_view(task).enrolled for task in (1, 2)] == [0, 1]
    token.call(payer, "transfer(address,uint256)", payer.address, 0)
    assert ledger.task_view(1).enrolled == 1, "nothing else kept it out"


def test_should_say_the_same_as_the_reference() -> None:
    course = Course()
    try:
        course.post(NATIVE_COIN, {"voucher_key": KEY})
        assert not course.tell(MANUFACTURER, "post_task", course.books.terms[1], course.task(1).escrow)
        first, second, third = (course.enrolment(1, client) for client in CLIENTS[:3])
        domain, stake = course.sides.memory.domain, course.books.terms[1].stake
        shown = [
            type(one)(one.enrolment, one.signature, voucher_of(OURS, domain, 1, one.enrolment.client))
            for one in (first, second, third)
        ]
        forged = type(third)(third.enrolment, third.signature, shown[0].voucher)
        assert not course.tell(STRANGER, "enrol", [first], stake)
        assert not course.tell(STRANGER, "enrol", [forged], stake, MODULUS)
        assert not course.tell(STRANGER, "enrol", shown, 3 * stake, modulus_of(THEIRS))
        assert course.tell(STRANGER, "enrol", [shown[0], forged, shown[1]], 3 * stake, MODULUS)
        assert course.tell(STRANGER, "enrol", [shown[2]], stake, MODULUS)
        assert not course.tell(STRANGER, "enrol", [shown[2]], stake, MODULUS)
        assert len(course.enrolled(1)) == 3
    finally:
        course.sides.close()
