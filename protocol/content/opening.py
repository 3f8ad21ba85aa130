"""Merkle openings: some leaves of a stored object, with the inner nodes that lead to them from its digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.content.cid import LINKS_PER_NODE, Cid, Subtree, blocks_of, node_bytes
from protocol.errors import MalformedError, Party, VerificationError
from protocol.identifiers import Digest

_DIGEST: Final = 32


@dataclass(frozen=True)
class Opening:
    """``nodes`` by their digest, ``leaves`` by their place in the object, from 0."""

    nodes: Mapping[Digest, bytes]
    leaves: Mapping[int, bytes]


@dataclass(frozen=True)
class _Node:
    """What the bytes of an inner node are but for its links' digests: those are where ``fixed`` is 0."""

    template: npt.NDArray[np.uint8]
    fixed: npt.NDArray[np.uint8]
    digests: npt.NDArray[np.intp]


class ObjectTree:
    """The tree of every object of ``file_bytes`` bytes in leaves of ``chunk_bytes``; only the digests differ."""

    def __init__(self, file_bytes: int, chunk_bytes: int) -> None:
        if file_bytes < 1 or chunk_bytes < 1:
            raise MalformedError(f"no tree of {file_bytes} bytes in leaves of {chunk_bytes}")
        self._sizes = [min(chunk_bytes, file_bytes - start) for start in range(0, file_bytes, chunk_bytes)]
        self._chunk_bytes = chunk_bytes
        self._levels: list[list[_Node]] = []  # from the parents of leaves up to the root
        zeros, ones = ([Subtree(Cid("raw", bytes([b]) * _DIGEST), n, n) for n in self._sizes] for b in (0, 255))
        while len(zeros) > 1:
            nodes, parents = [], []
            for start in range(0, len(zeros), LINKS_PER_NODE):
                children, others = (row[start : start + LINKS_PER_NODE] for row in (zeros, ones))
                low = node_bytes(children)
                nodes.append(_node(low, node_bytes(others)))
                stored = len(low) + sum(child.stored_bytes for child in children)
                parents.append((sum(child.file_bytes for child in children), stored))
            self._levels.append(nodes)
            zeros, ones = (
                [Subtree(Cid("dag-pb", bytes([b]) * _DIGEST), size, stored) for size, stored in parents]
                for b in (0, 255)
            )

    def opening(self, data: bytes, indices: Iterable[int]) -> Opening:
        """For whoever holds the object. Raises MalformedError for another size or a leaf that there is not."""
        if len(data) != sum(self._sizes):
            raise MalformedError(f"an object of {len(data)} bytes, {sum(self._sizes)} expected")
        leaves = {index: data[self._chunk_bytes * index :][: self._size(index)] for index in indices}
        nodes = {b.cid.digest: b.data for b in blocks_of(data, self._chunk_bytes) if b.cid.codec == "dag-pb"}
        return Opening(nodes, leaves)

    def verified(self, digest: Digest, opening: Opening) -> dict[int, bytes]:
        """The leaves, each shown to be part of the object of ``digest``.

        Raises VerificationError (fault: content store) for bytes that are not; MalformedError for a leaf that there is
        not.
        """
        links: dict[tuple[int, int], npt.NDArray[np.uint8]] = {}
        for index, leaf in opening.leaves.items():
            self._size(index)
            expected = bytes(digest)
            for level in range(len(self._levels) - 1, -1, -1):
                place, child = divmod(index // LINKS_PER_NODE**level, LINKS_PER_NODE)
                if (level, place) not in links:
                    links[level, place] = self._links(self._levels[level][place], expected, opening.nodes)
                expected = links[level, place][child].tobytes()
            if len(leaf) != self._sizes[index] or sha256(leaf).digest() != expected:
                raise _unproven(f"leaf {index}")
        return dict(opening.leaves)

    def _links(self, node: _Node, digest: Digest, nodes: Mapping[Digest, bytes]) -> npt.NDArray[np.uint8]:
        data = nodes.get(digest)
        if data is None or len(data) != len(node.template) or sha256(data).digest() != digest:
            raise _unproven("an inner node")
        found = np.frombuffer(data, np.uint8)
        if ((found ^ node.template) & node.fixed).any():
            raise _unproven("the shape of an inner node")
        return found[node.digests]

    def _size(self, index: int) -> int:
        if not 0 <= index < len(self._sizes):
            raise MalformedError(f"there is no leaf {index} of {len(self._sizes)}")
        return self._sizes[index]


def _node(low: bytes, high: bytes) -> _Node:
    template, other = np.frombuffer(low, np.uint8), np.frombuffer(high, np.uint8)
    fixed = ~(template ^ other)
    return _Node(template, fixed, np.flatnonzero(fixed == 0).reshape(-1, _DIGEST))


def _unproven(what: str) -> VerificationError:
    return VerificationError(f"{what} is not that of the object", fault=Party.CONTENT_STORE)
