"""What draws the sketch of a round: a block that nobody knew while anybody could still commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from protocol.errors import EncryptionError
from protocol.identifiers import Address, Digest, Label, Nonce, sha256

_BEACON: Final = b"PADG/beacon/1"
_COMMITMENTS: Final = b"PADG/commitments/1"


def commitments_root(committed: Mapping[Address, tuple[Nonce, Digest]]) -> Digest:
    """SHA-256 over nonce and ciphertext digest of every client that committed, ascending, in a batch or by itself.

    Of all of them, whether their ciphertexts came or not.
    """
    entries = [client + nonce + ciphertext for client, (nonce, ciphertext) in sorted(committed.items())]
    if any(len(entry) != 20 + 16 + 32 for entry in entries):
        raise EncryptionError("a commitment is of an address, a nonce and a digest", code="E_PARAMS")
    return sha256(_COMMITMENTS + b"".join(entries))


def beacon(label: Label, commitments: Digest, block: Digest) -> Digest:
    """``commitments``: :func:`commitments_root`. ``block``: hash of the block of :func:`beacon_block`."""
    if (len(label), len(commitments), len(block)) != (32, 32, 32):
        raise EncryptionError("label, root and block hash must be 32 bytes each", code="E_PARAMS")
    return sha256(_BEACON + label + commitments + block)


def beacon_block(blocks: Iterable[tuple[int, int]], closed: int, confirmations: int) -> int | None:
    """Number of the block whose hash is the beacon's: ``confirmations`` after the first that is later than ``closed``.

    ``blocks``: (number, timestamp), ascending. ``closed``: what :func:`protocol.round.objection.key_after` gives; until
    then a direct commitment may still come, and with the sketch known it could hide in its kernel. None: not there yet.
    """
    first = next((number for number, time in blocks if time > closed), None)
    return None if first is None else first + confirmations
