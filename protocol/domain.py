"""Where a message belongs: chain and ledger, and the tags that tell kinds of hashes apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from protocol.errors import MalformedError
from protocol.identifiers import Address, Digest, parse_address, to_hex
from protocol.keccak import keccak
from protocol.merkle import leaf
from protocol.messages.settlement import Entitlement
from protocol.version import PROTOCOL_NAME, PROTOCOL_VERSION

COMMITMENT_LEAF_TAG: Final = keccak(b"HearthCommitmentLeaf(uint256 index,bytes32 commitment,bytes32 signature)")
ENTITLEMENT_LEAF_TAG: Final = keccak(
    b"HearthEntitlementLeaf(uint256 task,uint256 index,address client,uint256 cumulative,uint256 reputation)"
)

MAX_DIGITS: Final = 18  # of a block's number


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain: name and version are constants. ``first_block`` belongs to no signature and makes no other
    domain: nothing of the ledger is earlier, so reading begins there."""

    chain_id: int
    ledger: Address
    first_block: int = field(default=0, compare=False)

    def __str__(self) -> str:
        """As :func:`parse_domain` reads it."""
        return f"{self.chain_id}:{to_hex(self.ledger)}" + (f"@{self.first_block}" if self.first_block else "")

    def prefix(self) -> bytes:
        """Unambiguous bytes for associated data and key derivation outside EIP-712."""
        return f"{PROTOCOL_NAME}/{PROTOCOL_VERSION}/".encode() + uint256(self.chain_id) + self.ledger


def parse_domain(text: str) -> Domain:
    """Of ``CHAIN_ID:ADDRESS``, with the ledger's first block behind it where that is known: ``@BLOCK``. Raises
    MalformedError."""
    place, at, block = text.partition("@")
    if at and not (block.isascii() and block.isdecimal() and len(block) <= MAX_DIGITS):
        raise MalformedError(f"no number of a block behind the ledger's address: {text[:80]!r}")
    chain_id, _, ledger = place.partition(":")
    if not (chain_id.isascii() and chain_id.isdecimal() and 0 < int(chain_id[:80]) < 2**256):
        raise MalformedError(f"no chain id before the ledger's address: {text[:80]!r}")
    return Domain(int(chain_id), parse_address(ledger), int(block or 0))


def uint256(value: int) -> bytes:
    return value.to_bytes(32, "big")


def commitment_leaf(index: int, commitment_hash: Digest, signature: bytes) -> Digest:
    """Leaf of a round's batch tree: position, EIP-712 struct hash of the Commitment, keccak of its signature."""
    return leaf(COMMITMENT_LEAF_TAG, uint256(index) + commitment_hash + keccak(signature))


def entitlement_leaf(task: int, index: int, entitlement: Entitlement) -> Digest:
    """Leaf of the allocation tree, as ``HearthLedger.claim`` recomputes it."""
    return leaf(
        ENTITLEMENT_LEAF_TAG,
        uint256(task)
        + uint256(index)
        + bytes(12)
        + entitlement.client
        + uint256(entitlement.cumulative)
        + uint256(entitlement.reputation),
    )
