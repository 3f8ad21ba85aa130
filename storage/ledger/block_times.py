"""The pace of a chain, measured on its last blocks."""

from __future__ import annotations

from protocol.task.margins import block_seconds, pace_blocks
from storage.ledger.interface import LedgerReader


def measured_block_seconds(ledger: LedgerReader) -> int:
    """Seconds between two blocks, rounded up. Raises LedgerError."""
    head = ledger.block_number()
    return block_seconds({block: ledger.block_timestamp(block) for block in pace_blocks(head)}, head)
