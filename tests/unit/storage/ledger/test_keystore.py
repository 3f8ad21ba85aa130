"""Keys at rest: files as other writers make them and read them, and files that are a trap."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any, Literal

import pytest
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from protocol.signing import address_of
from storage.ledger.keystore import KeystoreError, load_keystore, write_keystore
from storage.ledger.signer import Signer
from tests.samples import private_key

KEY = private_key("keystore")
PASSWORD = "correct horse ü"


def test_another_reader_opens_our_file(tmp_path: Path) -> None:
    write_keystore(tmp_path / "keystore.json", KEY, PASSWORD)
    content = json.loads((tmp_path / "keystore.json").read_text())
    assert bytes(decode_keyfile_json(content, PASSWORD.encode())) == KEY
    assert bytes.fromhex(content["address"]) == address_of(KEY)


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
@pytest.mark.parametrize("name", ["crypto", "Crypto"])
def test_we_open_the_files_of_another_writer(tmp_path: Path, kdf: Literal["scrypt", "pbkdf2"], name: str) -> None:
    content = create_keyfile_json(KEY, PASSWORD.encode(), kdf=kdf, iterations=2**12)
    content[name] = content.pop("crypto")
    (tmp_path / "keystore.json").write_text(json.dumps(content))
    assert load_keystore(tmp_path / "keystore.json", PASSWORD) == KEY


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


def _changed(path: Path, **crypto: Any) -> None:
    content = json.loads(path.read_text())
    content["crypto"] |= crypto
    path.write_text(json.dumps(content))


TRAPS: list[dict[str, Any]] = [
    {"n": 2**40},
    {"p": 2**30},
    {"n": 2, "r": 2**20},
    {"n": "16384"},
    {"n": 16384.0},
    {"n": -16384},
    {"r": 0},
    {"dklen": 2**31},
    {"salt": 7},
]


@pytest.mark.parametrize("trap", TRAPS)
def test_a_planted_keystore_cannot_exhaust_the_machine(tmp_path: Path, trap: dict[str, Any]) -> None:
    path = tmp_path / "keystore.json"
    write_keystore(path, KEY, "secret")
    _changed(path, kdfparams=json.loads(path.read_text())["crypto"]["kdfparams"] | trap)
    with pytest.raises(KeystoreError):
        load_keystore(path, "secret")


@pytest.mark.parametrize(
    "change",
    [
        {"kdf": "pbkdf2", "kdfparams": {"dklen": 32, "c": 2**40, "prf": "hmac-sha256", "salt": "00"}},
        {"kdf": "pbkdf2", "kdfparams": {"dklen": 32, "c": 1, "prf": "hmac-sha1", "salt": "00"}},
        {"kdf": "argon2"},
        {"cipher": "aes-256-gcm"},
        {"ciphertext": "00" * 32},
        {"cipherparams": {"iv": "00"}},
        {"mac": "00" * 32},
        {"mac": None},
    ],
)
def test_a_keystore_that_was_tampered_with(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "keystore.json"
    write_keystore(path, KEY, "secret")
    _changed(path, **change)
    with pytest.raises(KeystoreError):
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
def test_no_keystore_is_written_for_bytes_that_are_no_key(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(KeystoreError):
        write_keystore(tmp_path / "keystore.json", key, "secret")
    assert not (tmp_path / "keystore.json").exists()


def test_of_two_that_make_one_keystore_at_once_one_does(tmp_path: Path) -> None:
    """An address that was printed has its key on the disk."""
    path, ready, results = tmp_path / "keystore.json", threading.Barrier(2), dict[int, str]()

    def make(number: int) -> None:
        ready.wait()
        try:
            write_keystore(path, private_key("twice", number), "secret")
            results[number] = "made"
        except KeystoreError as error:
            results[number] = str(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [number for number, told in results.items() if told == "made"]
    assert len(made) == 1 and "never replaced" in results[1 - made[0]]
    assert load_keystore(path, "secret") == private_key("twice", made[0])
