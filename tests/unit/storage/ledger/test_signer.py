"""What one account signs, and the keys that are nobody's."""

from __future__ import annotations

import pytest

from protocol.errors import Party
from protocol.messages.submission import Leave
from protocol.signing import address_of, verify
from storage.ledger.keystore import KeystoreError
from storage.ledger.signer import PublicKeyError, Signer
from tests.samples import DOMAIN, private_key

KEY = private_key("keystore")


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32, b"\1" * 31])
def test_bytes_that_are_no_key(key: bytes) -> None:
    with pytest.raises(KeystoreError):
        Signer(key)


def test_a_signer_never_shows_its_key() -> None:
    assert KEY.hex() not in repr(Signer(KEY)) and str(KEY) not in repr(Signer(KEY))


def test_signatures_verify() -> None:
    leave = Leave(1, address_of(KEY))
    verify(DOMAIN, leave, Signer(KEY).sign(DOMAIN, leave), address_of(KEY), Party.CLIENT)


@pytest.mark.parametrize(
    "key",
    [
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",  # anvil, account 0
        "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",  # anvil, account 1
        "4f3edf983ac636a65a842ce7c78d9aa706d3b113bce9c46f30d7d21715b23b1d",  # ganache, account 0
        "0000000000000000000000000000000000000000000000000000000000000001",  # eth-tester
    ],
)
def test_a_published_key_stays_on_loopback(key: str) -> None:
    signer = Signer(bytes.fromhex(key))
    signer.require_private("http://127.0.0.1:8545")
    with pytest.raises(PublicKeyError):
        signer.require_private("https://rpc.example.org")


def test_a_private_key_goes_anywhere() -> None:
    Signer(KEY).require_private("https://rpc.example.org")
