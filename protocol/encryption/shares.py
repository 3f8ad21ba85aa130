"""What every suite asks of shares before it adds or combines them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import KEY_BYTES, Subset, subsets_without
from protocol.encryption.port import Entry
from protocol.encryption.weights import check_weight
from protocol.errors import EncryptionError, Party

T = TypeVar("T", bound=npt.NDArray[np.uint64])


def derive(key: bytes, purpose: bytes, label: bytes, nonce: bytes) -> bytes:
    """HMAC-SHA256(key, purpose || label || nonce). Sizes are exact (else ``E_PARAMS``): one reading."""
    if (len(key), len(label), len(nonce)) != (KEY_BYTES, 32, 16):
        raise EncryptionError("key, label and nonce must be 32, 32 and 16 bytes", code="E_PARAMS")
    return hmac.digest(key, purpose + label + nonce, hashlib.sha256)


def held_by(j: int, m: int, t: int, entries: Sequence[Entry]) -> tuple[Subset, ...]:
    """The subsets whose keys authority ``j`` holds, after checking that every entry has a key for each, and a weight.

    Raises EncryptionError ``E_PARAMS``, ``E_WEIGHT``, ``E_MIN_PARTICIPANTS``.
    """
    held = subsets_without(m, t, j)
    if not entries:
        raise EncryptionError("no entries: there is nothing to add", code="E_MIN_PARTICIPANTS")
    for share, _, weight in entries:
        check_weight(weight)
        if set(share) != set(held):
            raise EncryptionError(f"a client's share is not that of authority {j}", code="E_PARAMS")
    return held


def interpolate_agreed(
    shares: Mapping[int, T], m: int, t: int, value_at: Callable[[Mapping[int, T], Sequence[int], int], T]
) -> T:
    """The value at 0 of the polynomial of degree t-1 through ``shares``, all of which must lie on it.

    ``value_at(shares, points, x)`` interpolates. Raises EncryptionError ``E_PARAMS``, ``E_SHARES``,
    ``E_SHARE_INCONSISTENT``.
    """
    for j in shares:
        subsets_without(m, t, j)  # refuses a wrong committee or number
    if len(shares) < t:
        raise EncryptionError(f"{len(shares)} partial keys where {t} are needed", code="E_SHARES")
    numbers = sorted(shares)
    points = numbers[:t]
    for j in numbers[t:]:
        if not np.array_equal(value_at(shares, points, j), shares[j]):
            raise EncryptionError(
                f"the partial keys of {numbers} disagree", code="E_SHARE_INCONSISTENT", fault=Party.KEY_AUTHORITY
            )
    return value_at(shares, points, 0)
