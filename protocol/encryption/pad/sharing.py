"""The integers with which PAD/1 makes pads, shares and sum keys (7.1), and that they fit 64 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import prod

from protocol.encryption.committee import Subset, subsets, subsets_without
from protocol.encryption.pad.encoding import MODULI
from protocol.errors import EncryptionError


@cache
def share_coefficients(m: int, t: int, j: int, width: int) -> dict[Subset, int]:
    """F_B(j) for the subsets that authority ``j`` holds; the pad's g_B = F_B(0) for j = 0 and all subsets.

    F_B(X) = prod over b in B of (b - X). They multiply words and are added in int64, reduced once at the end: raises
    EncryptionError ``E_PARAMS`` for a committee whose sum could overflow, or that is none.
    """
    held = subsets(m, t) if j == 0 else subsets_without(m, t, j)
    coefficients = {subset: prod(b - j for b in subset) for subset in held}
    if sum(abs(c) for c in coefficients.values()) * MODULI[width] >= 2**63:
        raise EncryptionError(f"a {t}-of-{m} committee overflows words of {width} bytes", code="E_PARAMS")
    return coefficients


def committee_of(master_keys: Mapping[Subset, bytes]) -> tuple[int, int]:
    """(m, t) of the committee whose subsets are the keys. Raises EncryptionError ``E_PARAMS``."""
    m = max((b for subset in master_keys for b in subset), default=0)
    t = len(next(iter(master_keys), ())) + 1
    if set(master_keys) != set(subsets(m, t)):
        raise EncryptionError("the master keys are not those of a committee", code="E_PARAMS")
    return m, t


def lagrange_factors(points: Sequence[int], x: int, modulus: int) -> list[int]:
    """What the shares at ``points`` are multiplied by to give the value at ``x``."""
    factors = []
    for j in points:
        others = [point for point in points if point != j]
        inverse = pow(prod(p - j for p in others), -1, modulus)
        factors.append(prod(p - x for p in others) * inverse % modulus)
    return factors
