"""What the state of a block proves of an account and of its storage, as EIP-1186 has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rlp
from eth.rlp.accounts import Account
from trie.hexary import HexaryTrie

from protocol.keccak import keccak


def proof_of(database: Any, state_root: bytes, address: bytes, slots: Sequence[bytes]) -> dict[str, Any]:
    """``slots``: 32 bytes each. ``database`` gives the nodes of the tries by their hashes."""
    accounts: Any = HexaryTrie(database, state_root)
    found = accounts.get(keccak(address))
    account: Any = rlp.decode(found, Account) if found else Account()
    storage: Any = HexaryTrie(database, account.storage_root)
    return {
        "address": _hex(address),
        "accountProof": _nodes(accounts, address),
        "balance": hex(account.balance),
        "codeHash": _hex(account.code_hash),
        "nonce": hex(account.nonce),
        "storageHash": _hex(account.storage_root),
        "storageProof": [_slot(storage, slot) for slot in slots],
    }


def _slot(storage: Any, slot: bytes) -> dict[str, Any]:
    found = storage.get(keccak(slot))
    value = int.from_bytes(rlp.decode(found), "big") if found else 0
    return {"key": _hex(slot), "value": hex(value), "proof": _nodes(storage, slot)}


def _nodes(trie: Any, key: bytes) -> list[str]:
    return [_hex(rlp.encode(node)) for node in trie.get_proof(keccak(key))]


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
