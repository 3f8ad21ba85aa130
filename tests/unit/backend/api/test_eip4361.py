"""Sign-in messages are written as EIP-4361 writes them, and nothing else is read."""

from __future__ import annotations

import string
from contextlib import suppress
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from backend.api.eip4361 import MAX_LETTERS, SignInMessage, parse_message, seconds_of, signer_of
from protocol.errors import MalformedError, VerificationError
from protocol.signing import address_of
from tests.samples import private_key

# the example of EIP-4361, with an account and a nonce of our own
WRITTEN = """service.org wants you to sign in with your Ethereum account:
0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf

I accept the ServiceOrg Terms of Service: https://service.org/tos

URI: https://service.org/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
READ = SignInMessage(
    domain="service.org",
    address=bytes.fromhex("7e5f4552091a69125d5dfcb7b8c2659029395bdf"),
    uri="https://service.org/login",
    chain_id=1,
    nonce="32891756",
    issued_at="2021-09-30T16:25:24Z",
    statement="I accept the ServiceOrg Terms of Service: https://service.org/tos",
    resources=(
        "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
        "https://example.com/my-web2-claim.json",
    ),
)
KEY = private_key("manufacturer")

letters = st.text(string.ascii_letters + string.digits + ".-", min_size=1, max_size=20)
messages = st.builds(
    SignInMessage,
    domain=letters,
    address=st.binary(min_size=20, max_size=20),
    uri=letters.map(lambda name: f"https://{name}/"),
    chain_id=st.integers(0, 2**256 - 1),
    nonce=st.text(string.ascii_letters + string.digits, min_size=8, max_size=20),
    issued_at=letters,
    statement=st.none() | letters,
    expires_at=st.none() | letters,
    not_before=st.none() | letters,
    request_id=st.none() | letters,
    resources=st.none() | st.lists(letters, max_size=3).map(tuple),
    scheme=st.none() | st.just("https"),
)


def test_the_example_of_the_eip() -> None:
    assert parse_message(WRITTEN) == READ
    assert str(READ) == WRITTEN


def test_without_a_statement_two_lines_stay_empty() -> None:
    text = str(replace(READ, statement=None, resources=None))
    assert text.split("\n")[2:5] == ["", "", "URI: https://service.org/login"]
    assert parse_message(text).statement is None


@given(messages)
def test_what_is_written_is_read(message: SignInMessage) -> None:
    assert parse_message(str(message)) == message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" wants you", " wants  you"),
        ("0x7E5F", "0x7e5f"),  # the capitals of EIP-55 are missing
        ("0x7E5F4552", "0x7E5F4551"),
        ("Version: 1", "Version: 2"),
        ("Chain ID: 1", "Chain ID: 01"),
        ("Chain ID: 1", "Chain ID: one"),
        ("Nonce: 32891756", "Nonce: 3289175"),
        ("Nonce: 32891756", "Nonce: 3289175!"),
        ("service.org/tos\n", "service.org/tos\nand more\n"),
        ("Issued At: 2021-09-30T16:25:24Z\n", ""),
        ("claim.json", "claim.json\n"),
        ("claim.json", "claim\u00e4.json"),
        ("service.org wants", "service.org/evil wants"),
        ("\n", "\r\n"),
        ("claim.json", "x" * MAX_LETTERS),
    ],
)
def test_anything_else_is_refused(old: str, new: str) -> None:
    assert old in WRITTEN
    with pytest.raises(MalformedError):
        parse_message(WRITTEN.replace(old, new, 1) if old != "\n" else WRITTEN.replace(old, new))


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(MalformedError):
        assert str(parse_message(text)) == text


def test_the_signer_is_the_one_that_a_wallet_says() -> None:
    signed = Account.sign_message(encode_defunct(text=WRITTEN), KEY)
    assert signer_of(WRITTEN, bytes(signed.signature)) == address_of(KEY)
    by_number = bytes(signed.signature[:64]) + bytes([signed.signature[64] - 27])  # as some wallets write it
    assert signer_of(WRITTEN, by_number) == address_of(KEY)
    assert signer_of(f"{WRITTEN} ", bytes(signed.signature)) != address_of(KEY)


@given(st.binary(max_size=70) | st.binary(min_size=64, max_size=64).map(lambda rs: rs + b"\x1b"))
def test_no_signature_breaks_the_recovery(signature: bytes) -> None:
    with suppress(MalformedError, VerificationError):
        assert len(signer_of(WRITTEN, signature)) == 20


def test_instants() -> None:
    assert seconds_of("1970-01-01T00:01:00Z") == seconds_of("1970-01-01T01:01:00.000+01:00") == 60.0
    for text in ("yesterday", "1970-01-01T00:01:00", ""):
        with pytest.raises(MalformedError):
            seconds_of(text)
