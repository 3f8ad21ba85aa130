"""What it costs to verify eight blocks of a round, against verifying all of it; hashing is included in both.

An opening of a block is the root node of each body's DAG and the leaf: the node is what the commitment signs, and the
leaf is what the node links to.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from protocol.identifiers import Digest, sha256
from scripts.bench.ours import LABEL, Round
from scripts.bench.systems import significant
from scripts.bench.timing import REPETITIONS, Timing, repeat
from storage.content.cid import Cid, blocks_of, cid_of

BLOCKS: Final = 8
_CID_BYTES: Final = 36


class Audit:
    """The public record of a round, taken from a round that was played."""

    def __init__(self, played: Round) -> None:
        self._played, self._encoding = played, played.encoding
        system, workload = played.system, played.workload
        self._key = played.scheme.combine(played.partial_keys(), system.m, system.t, self._encoding, workload.dimension)
        self._nodes = [list(blocks_of(body, self._encoding.block_bytes))[-1] for body in played.bodies]
        self._digests: list[Digest] = [node.cid.digest for node in self._nodes]

    def full(self) -> None:
        """Every body hashed, all added and opened. Raises ArithmeticError for what does not agree."""
        played, workload = self._played, self._played.workload
        for body, digest in zip(played.bodies, self._digests, strict=True):
            _require(cid_of(body, self._encoding.block_bytes).digest == digest)
        aggregator = played.scheme.aggregator(self._encoding, workload.dimension)
        aggregator.fold_all(played.bodies, workload.weights)
        opened = played.scheme.decrypt(
            aggregator.words, LABEL, self._key, self._encoding, workload.dimension, workload.weights
        )
        _require(np.array_equal(opened.sums, played.expected))

    def spot(self) -> None:
        """The same for a few blocks, spread over the body."""
        count = -(-len(self._played.bodies[0]) // self._encoding.block_bytes)
        for node, digest in zip(self._nodes, self._digests, strict=True):
            _require(sha256(node.data) == digest)
        for block in range(0, count, -(-count // BLOCKS)):
            self._check_block(block)

    def _check_block(self, block: int) -> None:
        played, workload, size = self._played, self._played.workload, self._encoding.block_bytes
        leaves = [body[size * block : size * (block + 1)] for body in played.bodies]
        for node, leaf in zip(self._nodes, leaves, strict=True):
            _require(_link(node.data, block) == Cid("raw", sha256(leaf)).binary)
        opened = played.scheme.open_block(
            block, leaves, LABEL, self._key, self._encoding, workload.dimension, workload.weights
        )
        coordinates = self._encoding.block_coordinates(block, workload.dimension)
        _require(np.array_equal(opened.sums, played.expected[coordinates]))


def measure(played: Round) -> dict[str, Any]:
    """Milliseconds of both and their ratio, best over best."""
    audit = Audit(played)
    spot, full = (_timing(check) for check in (audit.spot, audit.full))
    return {
        "blocks": BLOCKS,
        "spot_ms": significant(spot.minimum),
        "spot_ms_median": significant(spot.median),
        "full_ms": significant(full.minimum),
        "full_ms_median": significant(full.median),
        "ratio": significant(spot.minimum / full.minimum),
    }


def _timing(check: Any) -> Timing:
    return repeat(check, lambda _: None, REPETITIONS)


def _link(node: bytes, index: int) -> bytes:
    """The binary CID of link ``index`` of a root node: links come first, each shorter than 128 bytes."""
    position = 0
    for _ in range(index):
        position += 2 + node[position + 1]
    return node[position + 4 : position + 4 + _CID_BYTES]


def _require(agrees: bool) -> None:
    if not agrees:
        raise ArithmeticError("the audit found a difference")
