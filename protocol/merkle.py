"""Merkle trees identical to the contracts' (OpenZeppelin MerkleProof: sorted pairs, keccak-256).

Leaves are ``keccak(keccak(tag || payload))`` with the index inside the payload, because sorted pairs
alone do not fix a position; hashing twice keeps a leaf from posing as an inner node.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_hash.auto import keccak

from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST, Digest


def leaf(tag: bytes, payload: bytes) -> Digest:
    """``tag`` is 32 bytes (a keccak of a type name), as Solidity's ``abi.encode`` lays it out."""
    return keccak(keccak(tag + payload))


def root(leaves: Sequence[Digest]) -> Digest:
    """Root over the leaves in order; an odd node moves up unpaired; the empty tree has the zero root."""
    if not leaves:
        return ZERO_DIGEST
    return _levels(leaves)[-1][0]


def proof(leaves: Sequence[Digest], index: int) -> tuple[Digest, ...]:
    """Siblings of leaf ``index`` from the bottom up, as MerkleProof expects them."""
    path = []
    for level in _levels(leaves)[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index //= 2
    return tuple(path)


def verify(expected_root: Digest, node: Digest, path: Sequence[Digest]) -> None:
    """Raises VerificationError unless ``node`` is under ``expected_root`` by ``path``."""
    for sibling in path:
        node = _pair(node, sibling)
    if node != expected_root:
        raise VerificationError("the Merkle proof does not lead to the recorded root")


def _pair(a: Digest, b: Digest) -> Digest:
    return keccak(a + b if a < b else b + a)


def _levels(leaves: Sequence[Digest]) -> list[list[Digest]]:
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [_pair(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append(above + below[len(below) & ~1 :])
    return levels
