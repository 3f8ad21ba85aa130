"""Many leaves under one root, walked as OpenZeppelin's MerkleProof does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol import merkle
from protocol.identifiers import ZERO_DIGEST, Digest
from tests.reference_ledger.books import refuse

OUT_OF_BOUNDS: Final = 0x32  # of Solidity's panics


def multiproof_root(leaves: Sequence[Digest], proof: Sequence[Digest], flags: Sequence[bool]) -> Digest:
    """Also for what is no multiproof: each flag takes the next of a queue of the leaves
    and then of what they hash to, and as its partner the one after it (true) or the next of the proof (false)."""
    if len(leaves) + len(proof) != len(flags) + 1:
        refuse("MerkleProofInvalidMultiproof")
    queue = [*leaves, *[ZERO_DIGEST] * len(flags)]
    place = sibling = 0
    for step, queued in enumerate(flags):
        if place + queued >= len(queue) or (not queued and sibling == len(proof)):
            refuse("Panic", OUT_OF_BOUNDS)
        partner = queue[place + 1] if queued else proof[sibling]
        queue[len(leaves) + step] = merkle.root([queue[place], partner])
        place, sibling = place + 1 + queued, sibling + (not queued)
    if flags and sibling != len(proof):
        refuse("MerkleProofInvalidMultiproof")
    return queue[-1] if queue else proof[0]
