"""The functional key of a label: the committee's partial keys and their combination (``encryption.md`` 3.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from protocol.encryption.committee import (
    Subset,
    expand,
    lagrange_coefficient,
    sharing_coefficient,
    subsets_without,
)
from protocol.encryption.encoding import FUNCTIONAL_KEY_BYTES, check_weight
from protocol.encryption.ring import DEGREE, PRIMES, Residues, reduce
from protocol.errors import EncryptionError, MalformedError, Party

Entry = tuple[Mapping[Subset, bytes], bytes, int]  # a client's share at this authority, its nonce, its weight

_SHAPE: Final = (len(PRIMES), DEGREE)


def partial_key(j: int, m: int, t: int, label: bytes, entries: Sequence[Entry]) -> bytes:
    """Authority ``j``'s share of the functional key: 3 x 4096 residues, u32 little-endian, 49,152 bytes.

    Raises EncryptionError: ``E_PARAMS`` for a wrong committee, sizes or incomplete shares, ``E_WEIGHT``,
    ``E_MIN_PARTICIPANTS`` for no entries.
    """
    held = subsets_without(m, t, j)
    if not entries:
        raise EncryptionError("no entries: there is nothing to add", code="E_MIN_PARTICIPANTS")
    for share, _, weight in entries:
        check_weight(weight)
        if set(share) != set(held):
            raise EncryptionError(f"a client's share is not that of authority {j}", code="E_PARAMS")
    total = np.zeros(_SHAPE, np.uint64)
    for subset in held:
        # weight * residue < 2^36, so 2^28 clients fit the 64-bit sum
        added = np.zeros(_SHAPE, np.uint64)
        for share, nonce, weight in entries:
            added += expand(share[subset], label, nonce) * np.uint64(weight)
        total += reduce(reduce(added) * sharing_coefficient(subset, j))
    return functional_key_bytes(reduce(total))


def combine(partials: Mapping[int, bytes], m: int, t: int) -> Residues:
    """The functional key from the answers of at least ``t`` authorities (number -> partial key); shape (3, 4096).

    With more than ``t`` all must lie on one polynomial, which is to say that all t-subsets agree. Raises
    EncryptionError ``E_SHARES`` (too few), ``E_SHARE_INCONSISTENT`` (one lies), ``E_PARAMS``; MalformedError for bytes
    that are no residues.
    """
    for j in partials:
        subsets_without(m, t, j)  # refuses a wrong committee or number
    if len(partials) < t:
        raise EncryptionError(f"{len(partials)} partial keys where {t} are needed", code="E_SHARES")
    shares = {j: decode_functional_key(partials[j]) for j in sorted(partials)}
    points = list(shares)[:t]
    for j in list(shares)[t:]:
        if not np.array_equal(_interpolate(shares, points, j), shares[j]):
            raise EncryptionError(
                f"the partial keys of {sorted(partials)} disagree",
                code="E_SHARE_INCONSISTENT",
                fault=Party.KEY_AUTHORITY,
            )
    return _interpolate(shares, points, 0)


def functional_key_bytes(key: Residues) -> bytes:
    """Canonical bytes of a partial or combined key, 49,152 of them; hash these."""
    return key.astype("<u4").tobytes()


def decode_functional_key(data: bytes) -> Residues:
    """Strict inverse of :func:`functional_key_bytes`. Raises MalformedError (fault: key authority)."""
    if len(data) != FUNCTIONAL_KEY_BYTES:
        raise MalformedError(f"a key of {len(data)} bytes, {FUNCTIONAL_KEY_BYTES} expected", fault=Party.KEY_AUTHORITY)
    key = np.frombuffer(data, "<u4").reshape(_SHAPE).astype(np.uint64)
    check_residues(key)
    return key


def check_residues(key: Residues) -> None:
    """Raises MalformedError (fault: key authority) unless ``key`` is a ring element."""
    if key.shape != _SHAPE or key.dtype != np.uint64 or not np.array_equal(reduce(key), key):
        raise MalformedError("a key's residue is not below its prime", fault=Party.KEY_AUTHORITY)


def _interpolate(shares: Mapping[int, Residues], points: Sequence[int], x: int) -> Residues:
    value = np.zeros(_SHAPE, np.uint64)
    for j in points:
        value += reduce(shares[j] * lagrange_coefficient(points, j, x))
    return reduce(value)
