"""The numbers that the compiled loops of FE64 read: factors with their Shoup quotients, and constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64.encoding import WIDTHS
from protocol.encryption.fe64.ring import (
    COFACTORS,
    DEGREE,
    DELTA,
    FRACTIONS,
    PLAINTEXT_MODULUS,
    PRIMES,
    ROOTS,
    ROUNDING,
    SCALES,
    Residues,
    twiddles,
    unscale,
)

Words32 = npt.NDArray[np.uint32]


def with_quotients(rows: Residues) -> Words32:
    """For every row of residues: its words w, then floor(2^32 w / q)."""
    parts = [part for w, q in zip(rows, PRIMES, strict=True) for part in (w, (w << np.uint64(32)) // np.uint64(q))]
    return np.concatenate(parts).astype(np.uint32)


def transform_tables() -> Words32:
    """Roots of the 64-point transforms, twiddles between them, and N^-1 psi^-n with the switch's cofactor."""
    cofactors = np.array(COFACTORS, np.uint64)[:, None]
    last = unscale() * cofactors % np.array(PRIMES, np.uint64)[:, None]
    middle = with_quotients(twiddles().reshape(len(PRIMES), DEGREE))
    return np.concatenate([_roots(), middle, with_quotients(last)])


def _roots() -> Words32:
    """Per prime and group of eight rows, the 1 + 2 + 4 factors of three levels, each a pair w, w'."""
    pairs: list[int] = []
    for prime, root in zip(PRIMES, ROOTS, strict=True):
        unit = pow(root, -128, prime)  # of order 64
        for j in range(8):
            for exponent in (4 * j, 2 * j, 2 * j + 16, j, j + 8, j + 16, j + 24):
                pairs += _pair(pow(unit, exponent, prime), prime)
    return np.array(pairs, np.uint32)


def _pair(w: int, prime: int) -> Sequence[int]:
    return w, (w << 32) // prime


def constants() -> npt.NDArray[np.uint64]:
    """q, K, F (3 each), RC, cofactors, their quotients, quotients of 1 (3 each), T."""
    quotients = [_pair(cofactor, prime)[1] for cofactor, prime in zip(COFACTORS, PRIMES, strict=True)]
    ones = [_pair(1, prime)[1] for prime in PRIMES]
    return np.array(
        [*PRIMES, *SCALES, *FRACTIONS, ROUNDING, *COFACTORS, *quotients, *ones, PLAINTEXT_MODULUS], np.uint64
    )


def field_factors(packing: int) -> Words32:
    """For every field and the primes of T: Delta * 2^(width * field) * cofactor, w and w'. Delta is 0 modulo q2."""
    pairs: list[int] = []
    for field in range(packing):
        for prime, cofactor in list(zip(PRIMES, COFACTORS, strict=True))[:2]:
            pairs += _pair(DELTA * cofactor * pow(2, WIDTHS[packing] * field, prime) % prime, prime)
    return np.array(pairs, np.uint32)
