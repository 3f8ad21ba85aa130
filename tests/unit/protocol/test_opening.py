"""Openings of stored objects: leaves that are part of the object pass, nothing else does."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from protocol.content.cid import cid_of
from protocol.content.opening import ObjectTree, Opening
from protocol.errors import HearthError, MalformedError, VerificationError

CHUNK = 64
SIZES = [1, 63, 64, 65, 174 * 64, 174 * 64 + 1, 500 * 64 - 3]


def data_of(size: int) -> bytes:
    return b"".join(sha256(b"%d" % i).digest() for i in range(size // 32 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_of_an_object_opens(size: int) -> None:
    data, tree = data_of(size), ObjectTree(size, CHUNK)
    count = -(-size // CHUNK)
    leaves = tree.verified(cid_of(data, CHUNK).digest, tree.opening(data, range(count)))
    assert b"".join(leaves[i] for i in range(count)) == data
    with pytest.raises(MalformedError):
        tree.opening(data, [count])
    with pytest.raises(MalformedError):
        tree.opening(data + b"x", [0])


@pytest.mark.parametrize("size", SIZES)
def test_a_changed_leaf_node_or_place_does_not(size: int) -> None:
    data, tree = data_of(size), ObjectTree(size, CHUNK)
    digest, last = cid_of(data, CHUNK).digest, -(-size // CHUNK) - 1
    honest = tree.opening(data, [last])

    def unproven(opening: Opening, under: bytes = digest) -> None:
        with pytest.raises(HearthError):
            tree.verified(under, opening)

    leaf = honest.leaves[last]
    unproven(replace(honest, leaves={last: bytes([leaf[0] ^ 1]) + leaf[1:]}))
    unproven(replace(honest, leaves={last: leaf + b"x"}))
    unproven(replace(honest, leaves={last + 1: leaf}))
    unproven(honest, sha256(b"another object").digest())
    if last:
        unproven(replace(honest, leaves={0: leaf}))
        unproven(replace(honest, nodes={}))
        unproven(replace(honest, nodes={at: node[:-1] for at, node in honest.nodes.items()}))


def test_an_object_that_is_no_canonical_tree_opens_nowhere() -> None:
    """A root with the right links that claims another size is the root of no file, and a full check refuses it."""
    data, tree = data_of(640), ObjectTree(640, CHUNK)
    honest = tree.opening(data, [3])
    (root,) = honest.nodes.values()
    forged = root[:-1] + bytes([root[-1] ^ 1])
    assert tree.verified(cid_of(data, CHUNK).digest, honest)
    with pytest.raises(VerificationError, match="shape"):
        tree.verified(sha256(forged).digest(), Opening({sha256(forged).digest(): forged}, honest.leaves))
