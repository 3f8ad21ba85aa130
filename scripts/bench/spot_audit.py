"""What it costs to verify eight blocks of a round, against verifying all of it; hashing is included in both.

Both verify what an auditor is given: stored bodies by their digests, or openings of their blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from protocol.content.cid import cid_of
from protocol.content.opening import ObjectTree
from protocol.encryption.spot_audit import block_count, check_blocks, choose_blocks
from scripts.bench.ours import LABEL, Round
from scripts.bench.systems import significant
from scripts.bench.timing import Timing, repeat

BLOCKS: Final = 8


class Audit:
    """The public record of a round that was played, and the openings that a storage node would serve."""

    def __init__(self, played: Round) -> None:
        self._played, self._encoding, self._dimension = played, played.encoding, played.workload.dimension
        system, block_bytes = played.system, played.encoding.block_bytes
        self._key = played.scheme.combine(played.partial_keys(), system.m, system.t, self._encoding, self._dimension)
        self._digests = [cid_of(body, block_bytes).digest for body in played.bodies]
        self._tree = ObjectTree(self._encoding.body_bytes(self._dimension), block_bytes)
        self._blocks = choose_blocks(LABEL, BLOCKS, block_count(self._encoding, self._dimension))
        self._openings = [self._tree.opening(body, self._blocks) for body in played.bodies]

    def full(self) -> None:
        """Every body hashed, all added and decrypted. Raises for what does not agree."""
        played, weights = self._played, self._played.workload.weights
        for body, digest in zip(played.bodies, self._digests, strict=True):
            if cid_of(body, self._encoding.block_bytes).digest != digest:
                raise ArithmeticError("a body is not what was committed to")
        aggregator = played.scheme.aggregator(self._encoding, self._dimension)
        aggregator.fold_all(played.bodies, weights)
        decrypted = played.scheme.decrypt(aggregator.words, LABEL, self._key, self._encoding, self._dimension, weights)
        if not np.array_equal(decrypted.sums, played.expected):
            raise ArithmeticError("the sum is not the published one")

    def spot(self) -> None:
        """Every opening verified, its blocks added and decrypted. Raises for what does not agree."""
        played = self._played
        verified = [
            self._tree.verified(digest, opening) for digest, opening in zip(self._digests, self._openings, strict=True)
        ]
        leaves = {block: [parts[block] for parts in verified] for block in self._blocks}
        weights = played.workload.weights
        check_blocks(played.scheme, self._encoding, self._dimension, LABEL, self._key, weights, leaves, played.expected)


def measure(played: Round) -> dict[str, Any]:
    """Milliseconds of both and their ratio, best over best."""
    audit = Audit(played)
    spot, full = _timing(audit.spot), _timing(audit.full)
    return {
        "blocks": BLOCKS,
        "spot_ms": significant(spot.minimum),
        "spot_ms_median": significant(spot.median),
        "full_ms": significant(full.minimum),
        "full_ms_median": significant(full.median),
        "ratio": significant(spot.minimum / full.minimum),
    }


def _timing(check: Callable[[], None]) -> Timing:
    return repeat(check, lambda _: None)
