"""Whose keys an authority holds, as it says on chain before a window of rounds: bits in the order of enrolment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.identifiers import Address
from protocol.messages.chain import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterPosted(Event):
    """Bit i, the lowest of a byte first, is the i-th client that enrolled. ``refused``: its envelope is wrong."""

    task: int
    window: int
    authority: Address
    held: bytes
    refused: bytes


def bits_of(clients: Sequence[Address], chosen: set[Address]) -> bytes:
    """Of those of the ``clients``, in the order of their enrolment, that are ``chosen``."""
    bits = sum(1 << place for place, client in enumerate(clients) if client in chosen)
    return bits.to_bytes((len(clients) + 7) // 8, "little")


def chosen_by(clients: Sequence[Address], bits: bytes) -> set[Address]:
    """The inverse; bits of nobody say nothing."""
    number = int.from_bytes(bits, "little")
    return {client for place, client in enumerate(clients) if number >> place & 1}
