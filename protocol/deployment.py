"""The contracts of one deployment: their names, and where each stands."""

from __future__ import annotations

from typing import Final

from protocol.identifiers import Address
from protocol.keccak import keccak

LEDGER: Final = "HearthLedger"
TASKS: Final = "HearthTasks"
JUDGE: Final = "HearthJudge"


def contract_addresses(ledger: Address, tasks: Address) -> dict[str, Address]:
    """By name. The constructor of the tasks creates the judge; a contract's first nonce is 1 (EIP-161)."""
    return {LEDGER: ledger, TASKS: tasks, JUDGE: created_address(tasks, 1)}


def created_address(creator: Address, nonce: int) -> Address:
    """Where a creation at this nonce puts its contract (yellow paper, section 7): keccak of the RLP list of both."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    if len(number) != 1 or number[0] >= 0x80:
        number = bytes([0x80 + len(number)]) + number
    items = b"\x94" + creator + number
    return keccak(bytes([0xC0 + len(items)]) + items)[12:]
