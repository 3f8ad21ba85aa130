"""Which window a round and an enrolment belong to, and what a phone believes of its keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import HearthError, VerificationError
from protocol.identifiers import sha256
from protocol.messages.keys import SignedWindowKey, WindowKeys, WindowKeyStatement
from protocol.round.windows import check_window_keys, enrolment_window, first_round, window_of
from storage.ledger.signer import Signer
from tests.samples import DOMAIN, private_key

SIGNERS = [Signer(private_key("authority", j)) for j in (1, 2, 3)]
MEMBERS = [signer.address for signer in SIGNERS]


def _signed(j: int, window: int = 2, task: int = 7, key: bytes | None = None) -> SignedWindowKey:
    key = bytes([j]) * 1216 if key is None else key
    statement = WindowKeyStatement(task, window, MEMBERS[j], sha256(key))
    return SignedWindowKey(statement, key, SIGNERS[j].sign(DOMAIN, statement))


KEYS = tuple(_signed(j) for j in range(3))


@given(st.integers(1, 10_000), st.integers(1, 100))
def test_windows_follow_each_other_without_a_gap(round_number: int, length: int) -> None:
    window = window_of(round_number, length)
    assert first_round(window, length) <= round_number < first_round(window + 1, length)
    assert enrolment_window(round_number - 1, length) == window


def test_an_enrolment_belongs_to_the_window_of_the_next_round() -> None:
    assert [enrolment_window(opened, 3) for opened in range(8)] == [0, 0, 0, 1, 1, 1, 2, 2]


def test_all_keys_of_the_committee_are_sealed_to() -> None:
    sealed = check_window_keys(WindowKeys(KEYS), DOMAIN, 7, 2, MEMBERS)
    assert sealed == [(MEMBERS[j], bytes([j]) * 1216) for j in range(3)]


@pytest.mark.parametrize(
    "keys",
    [
        KEYS[:2],
        (KEYS[1], KEYS[0], KEYS[2]),
        (KEYS[0], KEYS[0], KEYS[2]),
        (*KEYS, KEYS[2]),
        (_signed(0, window=1), *KEYS[1:]),  # an old one, which may be erased, or stolen
        (_signed(0, task=8), *KEYS[1:]),
        (replace(KEYS[0], encryption_key=b"\7" * 1216), *KEYS[1:]),
        (replace(KEYS[0], signature=KEYS[1].signature), *KEYS[1:]),
        (replace(KEYS[0], signature=bytes(65)), *KEYS[1:]),
        (replace(KEYS[0], statement=replace(KEYS[0].statement, authority=b"\1" * 20)), *KEYS[1:]),
    ],
)
def test_a_phone_seals_to_nothing_else(keys: tuple[SignedWindowKey, ...]) -> None:
    with pytest.raises(HearthError):
        check_window_keys(WindowKeys(keys), DOMAIN, 7, 2, MEMBERS)


def test_the_errors_say_whose_fault_it_is() -> None:
    with pytest.raises(VerificationError, match="window"):
        check_window_keys(WindowKeys(KEYS), DOMAIN, 7, 3, MEMBERS)
