"""The word that the ledger keeps for each task: it stands for all its events, their order and their instants."""

from __future__ import annotations

from protocol.domain import uint256
from protocol.identifiers import Digest
from protocol.keccak import keccak


def next_word(word: Digest, instant: int, said: Digest) -> Digest:
    """After one more event. A task's first one follows on 32 zeros.

    ``instant`` is the timestamp of its block in seconds, ``said`` the Keccak-256 of its topics and of the
    Keccak-256 of its data.
    """
    return keccak(word + uint256(instant) + said)
