"""Proofs of accounts and of their storage against the root of a chain's state (EIP-1186)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import rlp
from trie.exceptions import InvalidNode, MissingTrieNode, ValidationError
from trie.hexary import HexaryTrie

from protocol.errors import HearthError, Party
from protocol.identifiers import Address, Digest
from protocol.keccak import keccak


class FalseProofError(HearthError):
    """What an endpoint calls a proof is none for the state root that others vouch for."""

    code = "E_FALSE_PROOF"

    def __init__(self, message: str) -> None:
        super().__init__(message, fault=Party.LEDGER)


@dataclass(frozen=True, slots=True)
class Account:
    balance: int  # in wei
    storage_root: Digest
    code_hash: Digest


def proven_account(state_root: Digest, address: Address, nodes: Sequence[bytes]) -> Account:
    """Raises FalseProofError, also where no account is at the address."""
    try:
        _, balance, storage_root, code_hash = rlp.decode(_proven(state_root, address, nodes))
    except (rlp.DecodingError, ValueError, TypeError) as error:
        raise FalseProofError("no account is proven") from error
    return Account(int.from_bytes(balance, "big"), storage_root, code_hash)


def proven_word(storage_root: Digest, slot: int, nodes: Sequence[bytes]) -> int:
    """What the account keeps in the slot; zero where it keeps nothing. Raises FalseProofError."""
    found = _proven(storage_root, slot.to_bytes(32, "big"), nodes)
    try:
        kept = rlp.decode(found) if found else b""
    except rlp.DecodingError as error:
        raise FalseProofError(f"slot {slot:#x} holds no word") from error
    return int.from_bytes(kept, "big")


def _proven(root: Digest, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """What is under the Keccak-256 of ``key``, or nothing. A node that no hash leads to is not read."""
    try:
        return bytes(HexaryTrie({keccak(node): node for node in nodes}, root_hash=root).get(keccak(key)))
    except (MissingTrieNode, InvalidNode, ValidationError, rlp.DecodingError, ValueError, TypeError) as error:
        raise FalseProofError(f"the endpoint's proof of what is at 0x{key.hex()} does not hold") from error
