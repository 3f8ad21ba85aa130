"""One chain account: its secp256k1 key signs transactions and EIP-712 messages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocol import signing
from protocol.domain import Domain
from protocol.errors import HearthError
from protocol.identifiers import Address, to_hex
from protocol.signing import Signable
from storage.ledger.ethereum.rpc import is_loopback
from storage.ledger.keystore import checked_key, load_keystore, read_password
from storage.ledger.public_keys import is_public_key


class PublicKeyError(HearthError):
    """The account's private key is printed in the manual of a development chain: everyone can spend from it."""

    code = "E_PUBLIC_KEY"


class Signer:
    """Holds 32 raw key bytes; never shows them. Raises KeystoreError for bytes that are no key."""

    def __init__(self, private_key: bytes) -> None:
        self._private_key = checked_key(private_key)
        self._signing = signing.SigningKey(private_key)
        self.address: Address = self._signing.address

    @classmethod
    def from_keystore(cls, keystore: Path, password_file: Path) -> Signer:
        return cls(load_keystore(keystore, read_password(password_file)))

    def __repr__(self) -> str:
        return f"Signer({to_hex(self.address)})"

    def sign_transaction(self, transaction: Mapping[str, Any]) -> bytes:
        """The raw signed transaction, legacy or EIP-1559 by its fields."""
        from eth_account import Account  # a second to import: only who sends transactions needs it

        return bytes(Account.sign_transaction(dict(transaction), self._private_key).raw_transaction)

    def sign(self, domain: Domain, message: Signable) -> bytes:
        """65 bytes r || s || v (EIP-712)."""
        return self._signing.sign(domain, message)

    def require_private(self, rpc_url: str) -> None:
        """Raises PublicKeyError for a published key unless the node is on this machine."""
        if not is_loopback(rpc_url) and is_public_key(self._private_key, self.address):
            raise PublicKeyError(f"{to_hex(self.address)} is a development account; use it on loopback only")
