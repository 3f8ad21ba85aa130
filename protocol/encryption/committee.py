"""Keys of a t-of-m committee: one master key per (t-1)-subset of the authorities, held by everyone outside it.

Pseudorandom secret sharing (``encryption.md`` 3.2, 3.7): what an authority expands from its keys, weighted by f_B(j),
is its Shamir share of the client's secret, so nothing is exchanged per round.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from math import comb, prod
from typing import Final

import numpy as np

from protocol.encryption.ring import PRIMES, STREAM_BYTES, Residues, ctr_stream, uniform_limbs
from protocol.errors import EncryptionError
from protocol.identifiers import Digest, sha256
from protocol.randomness import Randomness

Subset = tuple[int, ...]  # ascending authority numbers, 1..m

KEY_BYTES: Final = 32
MAX_SUBSETS: Final = 1000


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


def authority_share(keys: Mapping[Subset, bytes], j: int) -> dict[Subset, bytes]:
    """The keys that authority ``j`` receives."""
    return {subset: key for subset, key in keys.items() if j not in subset}


def key_commitment(salt: bytes, key: bytes) -> Digest:
    """The public digest by which the holders of one key know that they hold the same."""
    return sha256(salt + key)


def derive(key: bytes, purpose: bytes, label: bytes, nonce: bytes) -> bytes:
    """HMAC-SHA256(key, purpose || label || nonce). Sizes are exact (else ``E_PARAMS``): one reading."""
    if (len(key), len(label), len(nonce)) != (KEY_BYTES, 32, 16):
        raise EncryptionError("key, label and nonce must be 32, 32 and 16 bytes", code="E_PARAMS")
    return hmac.digest(key, purpose + label + nonce, hashlib.sha256)


def expand(key: bytes, label: bytes, nonce: bytes) -> Residues:
    """U(AES-256-CTR(HMAC(K_B, "FE64/s" || label || nonce))): one subset's part of a client's secret under a label."""
    return uniform_limbs(ctr_stream(derive(key, b"FE64/s", label, nonce), STREAM_BYTES))


def sharing_coefficient(subset: Subset, x: int) -> Residues:
    """f_B(x) = prod over b in B of (b - x) / b modulo each prime, shape (3, 1): 1 at zero, 0 on B."""
    numerator, denominator = prod(b - x for b in subset), prod(subset)
    return _fraction(numerator, denominator)


def lagrange_coefficient(points: Sequence[int], j: int, x: int = 0) -> Residues:
    """Weight of the share at ``j`` in the value at ``x`` of the polynomial through ``points``; shape (3, 1)."""
    others = [point for point in points if point != j]
    return _fraction(prod(point - x for point in others), prod(point - j for point in others))


def _fraction(numerator: int, denominator: int) -> Residues:
    return np.array([[numerator * pow(denominator, -1, prime) % prime] for prime in PRIMES], np.uint64)
