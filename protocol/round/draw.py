"""Which of too many clients are in a round: those that the hash of a block draws, which nobody knew beforehand."""

from __future__ import annotations

from collections.abc import Collection

from protocol.domain import uint256
from protocol.identifiers import Address, Digest, sha256


def drawn(clients: Collection[Address], most: int, beacon: Digest, task: int, round_number: int) -> frozenset[Address]:
    """All ``clients`` where they are ``most`` or fewer; else the ``most`` with the smallest lots."""
    lots = sorted((_lot(beacon, task, round_number, client), client) for client in set(clients))
    return frozenset(client for _, client in lots[:most])


def _lot(beacon: Digest, task: int, round_number: int, client: Address) -> bytes:
    return sha256(beacon + uint256(task) + round_number.to_bytes(8, "big") + client)
