"""One chain account: its secp256k1 key signs transactions and EIP-712 messages, and rests in a keystore V3 file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from protocol import signing
from protocol.domain import Domain
from protocol.errors import HearthError, MalformedError
from protocol.identifiers import Address, to_hex
from protocol.signing import Signable
from protocol.strict_json import parse_json
from storage.durable_file import write_file_atomically
from storage.ledger.ethereum.rpc import is_loopback
from storage.ledger.public_keys import is_public_key

SCRYPT_N: Final = 2**14  # 15 MB and 0.05 s: a phone must open its own keystore
MAX_SCRYPT_N: Final = 2**18  # what geth and cast write; more would let a planted file exhaust the memory
MAX_KEYSTORE_BYTES: Final = 16 * 1024
GROUP_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class KeystoreError(HearthError):
    """A keystore or password file that cannot be read, or a password that does not open it."""

    code = "E_KEYSTORE"


class PublicKeyError(HearthError):
    """The account's private key is printed in the manual of a development chain: everyone can spend from it."""

    code = "E_PUBLIC_KEY"


class Signer:
    """Holds 32 raw key bytes; never shows them. Raises KeystoreError for bytes that are no key."""

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < GROUP_ORDER:
            raise KeystoreError("a private key is 32 bytes, not zero and below the order of secp256k1")
        self._private_key = private_key
        self._account = Account.from_key(private_key)
        self.address: Address = signing.address_of(private_key)

    @classmethod
    def from_keystore(cls, keystore: Path, password_file: Path) -> Signer:
        return cls(load_keystore(keystore, read_password(password_file)))

    def __repr__(self) -> str:
        return f"Signer({to_hex(self.address)})"

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """The raw signed transaction, legacy or EIP-1559 by its fields."""
        return bytes(self._account.sign_transaction(dict(transaction)).raw_transaction)

    def sign(self, domain: Domain, message: Signable) -> bytes:
        """65 bytes r || s || v (EIP-712)."""
        return signing.sign(domain, message, self._private_key)

    def require_private(self, rpc_url: str) -> None:
        """Raises PublicKeyError for a published key unless the node is on this machine."""
        if not is_loopback(rpc_url) and is_public_key(self._private_key, self.address):
            raise PublicKeyError(f"{to_hex(self.address)} is a development account; use it on loopback only")


def write_keystore(path: Path, private_key: bytes, password: str) -> None:
    """Writes a keystore V3 file (scrypt), mode 0600. Raises KeystoreError when it exists: keys are not replaced."""
    Signer(private_key)
    if not password:
        raise KeystoreError("a keystore needs a password")
    if path.exists():
        raise KeystoreError(f"{path} exists")
    content = create_keyfile_json(private_key, password.encode(), kdf="scrypt", iterations=SCRYPT_N)
    try:
        write_file_atomically(path, json.dumps(content).encode(), 0o600)
    except OSError as error:
        raise KeystoreError(f"{path}: {error.strerror}") from error


def load_keystore(path: Path, password: str) -> bytes:
    """The 32 key bytes of a keystore V3 file, of any writer. Raises KeystoreError."""
    try:
        content = parse_json(_read(path))
        parameters = content["crypto"]["kdfparams"]
        if int(parameters.get("n", 1)) * int(parameters.get("r", 8)) > MAX_SCRYPT_N * 8:
            raise KeystoreError(f"{path}: scrypt parameters above n = {MAX_SCRYPT_N}")
        key = decode_keyfile_json(content, password.encode())
    except (MalformedError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError) as error:
        raise KeystoreError(f"{path}: not a keystore V3 file that this password opens") from error
    return bytes(key)


def read_password(path: Path) -> str:
    """First line of a file. Raises KeystoreError when there is none."""
    try:
        password = _read(path).decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise KeystoreError(f"{path}: not UTF-8") from error
    if not password:
        raise KeystoreError(f"{path}: no password in it")
    return password


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_KEYSTORE_BYTES + 1)
    except OSError as error:
        raise KeystoreError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_KEYSTORE_BYTES:
        raise KeystoreError(f"{path}: larger than {MAX_KEYSTORE_BYTES} bytes")
    return data
