"""What is shown to the manufacturer tells nothing, and what comes back is a voucher or is refused.

given a statement and a drawn blinding
    when the manufacturer signs what is blinded
        should unblind to the one voucher of the statement, whatever was drawn
    when it signs something else
        should be refused
given two statements and what one of them was blinded to
    when the manufacturer looks for the other one
        should find a blinding for it too: either is as likely
given a modulus with a factor that the hash or the blinding shares
    when it is blinded
        should be refused
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.domain import Domain
from protocol.errors import Party, VerificationError
from protocol.randomness import SeededRandomness
from protocol.vouchers.blinding import Statement, VoucherError, blind, draw_blinding, unblind, verify_voucher
from protocol.vouchers.permutation import EXPONENT
from tests.voucher_keys import KEYS, modulus_of, voucher_of

KEY = KEYS[0]
addresses = st.binary(min_size=20, max_size=20)
statements = st.builds(
    Statement,
    st.builds(Domain, st.integers(1, 2**256 - 1), addresses),
    st.just(modulus_of(KEY)),
    st.integers(1, 2**256 - 1),
    addresses,
)
STATEMENT = Statement(Domain(1, b"\1" * 20), modulus_of(KEY), 1, b"\2" * 20)


@given(statements, st.binary(min_size=1, max_size=8))
@settings(max_examples=10, deadline=None)
def test_every_blinding_leads_to_the_same_voucher(statement: Statement, seed: bytes) -> None:
    blinding = draw_blinding(statement, SeededRandomness(seed))
    shown = blind(statement, blinding)
    voucher = unblind(statement, blinding, KEY.sign(shown, SeededRandomness(b"mask")))
    assert voucher == voucher_of(KEY, statement.domain, statement.task, statement.client)
    assert voucher not in (shown, blinding)
    verify_voucher(statement, voucher, Party.CLIENT)


@given(statements, statements)
@settings(max_examples=10, deadline=None)
def test_what_is_shown_may_be_anybodys(one: Statement, other: Statement) -> None:
    shown = int.from_bytes(blind(one, draw_blinding(one, SeededRandomness(b"one"))))
    exponent = pow(EXPONENT, -1, (KEY.p - 1) * (KEY.q - 1))
    blinding = pow(shown * pow(other.hash, -1, KEY.modulus), exponent, KEY.modulus)
    assert blind(other, blinding.to_bytes(256)) == shown.to_bytes(256)


@given(statements, st.integers(0, 2047))
@settings(max_examples=20, deadline=None)
def test_no_changed_bit_passes(statement: Statement, bit: int) -> None:
    voucher = int.from_bytes(voucher_of(KEY, statement.domain, statement.task, statement.client)) ^ 1 << bit
    with pytest.raises(VerificationError):
        verify_voucher(statement, voucher.to_bytes(256), Party.CLIENT)


def test_a_signature_of_something_else_is_refused() -> None:
    blinding = draw_blinding(STATEMENT, SeededRandomness(b"drawn"))
    signature = KEY.sign((5).to_bytes(256), SeededRandomness(b"mask"))
    with pytest.raises(VoucherError, match="something else") as refused:
        unblind(STATEMENT, blinding, signature)
    assert refused.value.fault is Party.MANUFACTURER


def test_a_modulus_that_shares_a_factor_with_the_hash_is_refused() -> None:
    """By 3, which divides one hash of three: such a key would tell those apart."""
    modulus = (2**2047 + 2**2046 + 3).to_bytes(256)
    clients = (Statement(Domain(1, b"\1" * 20), modulus, 1, bytes([number]) * 20) for number in range(64))
    statement = next(one for one in clients if one.hash % 3 == 0 and one.number % 3 == 0)
    with pytest.raises(VoucherError, match="a factor"):
        draw_blinding(statement, SeededRandomness(b"drawn"))


@pytest.mark.parametrize("asked", [b"", bytes(256), (KEY.p).to_bytes(256), KEY.modulus.to_bytes(256), b"\1" * 255])
def test_only_units_are_signed(asked: bytes) -> None:
    with pytest.raises(VoucherError) as refused:
        KEY.sign(asked, SeededRandomness(b"mask"))
    assert refused.value.fault is Party.CLIENT


def test_a_key_does_not_show_itself() -> None:
    assert str(KEY.p) not in repr(KEY)
