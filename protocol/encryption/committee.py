"""Keys of a t-of-m committee: one master key per (t-1)-subset of the authorities, held by everyone outside it.

Pseudorandom secret sharing (``encryption.md`` 3.2, 3.7): what an authority expands from its keys, weighted by a number
of its own for each, is its Shamir share of the client's secret, so nothing is exchanged per round.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import cache
from itertools import combinations
from math import comb
from typing import Final

from protocol.errors import EncryptionError
from protocol.identifiers import Digest, sha256
from protocol.randomness import Randomness

Subset = tuple[int, ...]  # ascending authority numbers, 1..m

KEY_BYTES: Final = 32
MAX_SUBSETS: Final = 1000
_RATCHET: Final = b"HEARTH/ratchet"


@cache
def subsets(m: int, t: int) -> tuple[Subset, ...]:
    """All (t-1)-subsets of the authorities 1..m, in lexicographic order. Raises EncryptionError ``E_PARAMS``."""
    if not 2 <= t <= m or comb(m, t - 1) > MAX_SUBSETS:
        raise EncryptionError(f"a {t}-of-{m} committee is not supported", code="E_PARAMS")
    return tuple(combinations(range(1, m + 1), t - 1))


@cache
def subsets_without(m: int, t: int, j: int) -> tuple[Subset, ...]:
    """The subsets whose keys authority ``j`` holds: those it is not in."""
    if not 1 <= j <= m:
        raise EncryptionError(f"there is no authority {j} of {m}", code="E_PARAMS")
    return tuple(subset for subset in subsets(m, t) if j not in subset)


def draw_master_keys(randomness: Randomness, m: int, t: int, purpose: str) -> dict[Subset, bytes]:
    """Fresh master keys of one client for one enrolment, 32 bytes per subset."""
    names = subsets(m, t)
    drawn = randomness.draw(purpose, KEY_BYTES * len(names))
    return {subset: drawn[KEY_BYTES * i : KEY_BYTES * (i + 1)] for i, subset in enumerate(names)}


def ratchet(keys: Mapping[Subset, bytes], steps: int) -> dict[Subset, bytes]:
    """The keys ``steps`` rounds later (3.2): each replaced that often by HMAC-SHA256(key, "HEARTH/ratchet").

    Keys are enrolled at epoch 0; round number rho encrypts under epoch rho. Whoever keeps only the result cannot go
    back. Raises EncryptionError ``E_EPOCH`` when asked to.
    """
    if steps < 0:
        raise EncryptionError(f"the keys of {-steps} rounds ago are erased", code="E_EPOCH")
    moved = dict(keys)
    for _ in range(steps):
        moved = {subset: hmac.digest(key, _RATCHET, hashlib.sha256) for subset, key in moved.items()}
    return moved


def authority_share(keys: Mapping[Subset, bytes], j: int) -> dict[Subset, bytes]:
    """The keys that authority ``j`` receives."""
    return {subset: key for subset, key in keys.items() if j not in subset}


def key_commitment(salt: bytes, key: bytes) -> Digest:
    """The public digest by which the holders of one key know that they hold the same."""
    return sha256(salt + key)
