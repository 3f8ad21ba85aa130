"""The mask of an opening: shares of zero of degree 2(t-1), from the clients' own keys, so that nothing is exchanged.

An answer is a sum of products of shares. Without the mask its coefficients beyond the one at 0 would say products of
single shares. A coalition of t-1 authorities lacks the streams of one subset, itself: t-1 of them, which is as many as
the honest answers have degrees of freedom left.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Final

from protocol.encryption.committee import KEY_BYTES, Subset, subsets_without
from protocol.encryption.pad.encoding import Words
from protocol.errors import EncryptionError
from protocol.identifiers import Address, Digest, Label, Nonce
from protocol.screening.arithmetic import MODULUS, WORDS, pad_arithmetic

OF_GRAM: Final = b"gram"
OF_NORMS: Final = b"norm"
OF_HISTORIES: Final = b"hist"
KINDS: Final = (OF_GRAM, OF_NORMS, OF_HISTORIES)  # of four bytes each: one reading of what follows them
_ZERO: Final = b"PADG/zero/1"


@dataclass(frozen=True)
class Masked:
    """One client of the request at one authority: address, nonce and the keys it holds of it at the label's epoch."""

    client: Address
    nonce: Nonce
    share: Mapping[Subset, bytes]


@cache
def mask_coefficients(m: int, t: int, j: int) -> dict[tuple[Subset, int], int]:
    """j^q F_B(j) for the subsets B that authority ``j`` holds and q = 1..t-1.

    They multiply 48-bit words and are added in int64: raises EncryptionError ``E_PARAMS`` for a committee whose sum
    could overflow.
    """
    coefficients = {
        (subset, q): j**q * prod(b - j for b in subset) for subset in subsets_without(m, t, j) for q in range(1, t)
    }
    if sum(abs(c) for c in coefficients.values()) * MODULUS >= 2**63:
        raise EncryptionError(f"a {t}-of-{m} committee overflows the mask's words", code="E_PARAMS")
    return coefficients


def mask_keys(
    j: int, m: int, t: int, kind: bytes, label: Label, digest: Digest, entries: Sequence[Masked]
) -> dict[tuple[Subset, int], bytes]:
    """Of each stream: HM(XOR over clients of HM(K_{i,B}, "PADG/zero/1" || kind || label || digest || id || nu), q).

    One client whose keys the coalition lacks makes the XOR one that it cannot know. ``digest``: of the request, so
    that no mask is used for two openings. Raises EncryptionError ``E_PARAMS``.
    """
    if kind not in KINDS or (len(label), len(digest)) != (32, 32) or not entries:
        raise EncryptionError("a mask takes a kind, a label and a digest of 32 bytes, and clients", code="E_PARAMS")
    held = subsets_without(m, t, j)
    for entry in entries:
        sizes = (len(entry.client), len(entry.nonce), *{len(key) for key in entry.share.values()})
        if set(entry.share) != set(held) or sizes != (20, 16, KEY_BYTES):
            raise EncryptionError(f"a client's share is not that of authority {j}", code="E_PARAMS")
    prefix, keys = _ZERO + kind + label + digest, {}
    for subset in held:
        mixed = 0
        for entry in entries:
            derived = hmac.digest(entry.share[subset], prefix + entry.client + entry.nonce, hashlib.sha256)
            mixed ^= int.from_bytes(derived, "big")
        for q in range(1, t):
            keys[subset, q] = hmac.digest(mixed.to_bytes(32, "big"), bytes([q]), hashlib.sha256)
    return keys


def add_mask(
    answer: Words, j: int, m: int, t: int, kind: bytes, label: Label, digest: Digest, entries: Sequence[Masked]
) -> None:
    """Adds 0_j to an answer of words below p, in place: one stream of ``PAD/1`` for each coefficient."""
    coefficients = mask_coefficients(m, t, j)
    keys = mask_keys(j, m, t, kind, label, digest, entries)
    arithmetic = pad_arithmetic(len(answer) * len(coefficients))
    arithmetic.add_share(answer, 1, [keys[name] for name in coefficients], list(coefficients.values()), WORDS)
