"""Merkle trees: every leaf proves, nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import merkle
from protocol.errors import VerificationError
from protocol.identifiers import ZERO_DIGEST
from protocol.keccak import keccak

TAG = keccak(b"tag")


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf(TAG, index.to_bytes(32, "big")) for index in range(count)]


@given(st.integers(1, 40), st.data())
def test_every_leaf_proves_and_no_other_does(count: int, data: st.DataObject) -> None:
    nodes = leaves(count)
    root = merkle.root(nodes)
    index, other = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, count))
    path = merkle.proof(nodes, index)
    merkle.verify(root, nodes[index], path)
    if other != index:
        with pytest.raises(VerificationError):
            merkle.verify(root, leaves(count + 1)[other], path)


def test_empty_tree_has_the_zero_root_and_one_leaf_is_its_own() -> None:
    assert merkle.root([]) == ZERO_DIGEST
    assert merkle.root(leaves(1)) == leaves(1)[0]
    assert merkle.proof(leaves(1), 0) == ()


def test_an_inner_node_cannot_pose_as_a_leaf() -> None:
    a, b, c, d = leaves(4)
    inner = keccak(min(a, b) + max(a, b))
    root = merkle.root([a, b, c, d])
    assert merkle.leaf(TAG, inner) != inner
    with pytest.raises(VerificationError):
        merkle.verify(root, merkle.leaf(b"", a + b), merkle.proof([a, b, c, d], 0)[1:])


def test_order_matters_to_the_tree() -> None:
    a, b, c = leaves(3)
    assert merkle.root([a, b, c]) != merkle.root([b, a, c])
