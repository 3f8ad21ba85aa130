"""The hash of the block that draws the next cohort."""

from __future__ import annotations

from typing import Final

from protocol.identifiers import Digest
from protocol.messages.chain import CohortDrawn
from storage.ledger.interface import Ledger

BEACON_BLOCKS: Final = 256  # how far back the chain tells a contract the hash of a block
Drawn = tuple[CohortDrawn, Digest | None]  # None once it is too late for it


def read_beacon(ledger: Ledger, drawn: CohortDrawn, confirmations: int) -> Drawn | None:
    """None before the task's confirmations lie upon the block: a plan by another one would be wrong."""
    head, block = ledger.block_number(), drawn.drawn_at
    if head >= block + BEACON_BLOCKS:
        return drawn, None
    if head >= block + min(confirmations, BEACON_BLOCKS // 2):
        return drawn, ledger.block_hash(block)
    return None
