"""Merkle trees identical to the contracts' (OpenZeppelin MerkleProof: sorted pairs, keccak-256).

Leaves are ``keccak(keccak(tag || payload))``. The payload has the index, because sorted pairs do not fix a position.
The second hash makes sure that no leaf is an inner node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from protocol.errors import Party, VerificationError
from protocol.identifiers import ZERO_DIGEST, Digest
from protocol.keccak import keccak


def leaf(tag: bytes, payload: bytes) -> Digest:
    """``tag`` is 32 bytes (a keccak of a type name), as Solidity's ``abi.encode`` lays it out."""
    return keccak(keccak(tag + payload))


def root(leaves: Sequence[Digest]) -> Digest:
    """Root over the leaves in order; the empty tree has the zero root."""
    return _tree(leaves)[0] if leaves else ZERO_DIGEST


class Tree:
    """Of leaves in their order, kept for many proofs."""

    def __init__(self, leaves: Sequence[Digest]) -> None:
        self._nodes, self._count = _tree(leaves), len(leaves)

    @property
    def root(self) -> Digest:
        """Zero of no leaves."""
        return self._nodes[0] if self._nodes else ZERO_DIGEST

    def proof(self, index: int) -> tuple[Digest, ...]:
        """Siblings of leaf ``index`` from the bottom up, as MerkleProof expects them."""
        path, place = [], self._count - 1 + index
        while place:
            path.append(self._nodes[_sibling(place)])
            place = (place - 1) // 2
        return tuple(path)


def proof(leaves: Sequence[Digest], index: int) -> tuple[Digest, ...]:
    """That of :meth:`Tree.proof`, for one leaf alone."""
    return Tree(leaves).proof(index)


def multiproof(leaves: Sequence[Digest], indices: Collection[int]) -> tuple[tuple[Digest, ...], tuple[bool, ...]]:
    """Proof and flags of several leaves at once, as MerkleProof expects them with the leaves by descending index.

    A true flag takes the partner from what was given or computed before, a false one from the proof.
    """
    tree = _tree(leaves)
    queue = deque(len(leaves) - 1 + index for index in sorted(indices, reverse=True))
    path, flags = [], []
    while queue and queue[0]:
        place = queue.popleft()
        known = bool(queue) and queue[0] == _sibling(place)
        if known:
            queue.popleft()
        else:
            path.append(tree[_sibling(place)])
        flags.append(known)
        queue.append((place - 1) // 2)
    return tuple(path), tuple(flags)


def verify(expected_root: Digest, node: Digest, path: Sequence[Digest]) -> None:
    """Raises VerificationError unless ``node`` is under ``expected_root`` by ``path``: edge servers keep all trees."""
    for sibling in path:
        node = _pair(node, sibling)
    if node != expected_root:
        raise VerificationError("the Merkle proof does not lead to the recorded root", fault=Party.EDGE_SERVER)


def _pair(a: Digest, b: Digest) -> Digest:
    return keccak(a + b if a < b else b + a)


def _tree(leaves: Sequence[Digest]) -> list[Digest]:
    """The complete binary tree as an array: node k has the children 2k + 1 and 2k + 2, the leaves come last."""
    tree = [ZERO_DIGEST] * (len(leaves) - 1) + list(leaves)
    for place in reversed(range(len(leaves) - 1)):
        tree[place] = _pair(tree[2 * place + 1], tree[2 * place + 2])
    return tree


def _sibling(place: int) -> int:
    return place + 1 if place % 2 else place - 1
