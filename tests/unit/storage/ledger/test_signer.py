"""Keys at rest and the keys that are nobody's."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from protocol.errors import Party
from protocol.messages.submission import Leave
from protocol.signing import address_of, verify
from storage.ledger.signer import KeystoreError, PublicKeyError, Signer, load_keystore, write_keystore
from tests.samples import DOMAIN, private_key

KEY = private_key("keystore")


def test_a_keystore_gives_its_key_back_to_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    write_keystore(path, KEY, "secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY.hex() not in path.read_text()
    assert load_keystore(path, "secret") == KEY
    with pytest.raises(KeystoreError):
        load_keystore(path, "Secret")
    with pytest.raises(KeystoreError, match="exists"):
        write_keystore(path, private_key("other"), "secret")
    (tmp_path / "password").write_text("secret\r\nmore\n")
    assert Signer.from_keystore(path, tmp_path / "password").address == address_of(KEY)


def test_a_planted_keystore_cannot_exhaust_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    write_keystore(path, KEY, "secret")
    content = json.loads(path.read_text())
    content["crypto"]["kdfparams"]["n"] = 2**40
    path.write_text(json.dumps(content))
    with pytest.raises(KeystoreError, match="scrypt"):
        load_keystore(path, "secret")


NO_KEYSTORES = [b"", b"{}", b"[]", b"null", b"[" * 9_000, b"\xff", b" " * 20_000, b'{"crypto": 1}']


@pytest.mark.parametrize("content", NO_KEYSTORES)
def test_a_file_that_is_no_keystore(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keystore.json").write_bytes(content)
    with pytest.raises(KeystoreError):
        load_keystore(tmp_path / "keystore.json", "secret")


@pytest.mark.parametrize("content", [None, b"", b"\nsecret", b"\xff"])
def test_a_file_that_is_no_password(tmp_path: Path, content: bytes | None) -> None:
    write_keystore(tmp_path / "keystore.json", KEY, "secret")
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    with pytest.raises(KeystoreError):
        Signer.from_keystore(tmp_path / "keystore.json", tmp_path / "password")


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
