"""R_q = Z_q[X]/(X^64 + 1) over the real q, in exact integers: small enough to attack in a test."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.fe64.ring import MODULUS, PRIMES, ROOTS

DEGREE: Final = 64
Element = npt.NDArray[Any]  # shape (64,), Python integers in [0, q): coefficients


def _root() -> int:
    """A primitive 128-th root of unity modulo q."""
    total = 0
    for prime, root in zip(PRIMES, ROOTS, strict=True):
        cofactor = MODULUS // prime
        total += pow(root, 8192 // (2 * DEGREE), prime) * cofactor * pow(cofactor, -1, prime)
    return total % MODULUS


def _matrix(root: int) -> npt.NDArray[Any]:
    powers = [[pow(root, (2 * k + 1) * n, MODULUS) for n in range(DEGREE)] for k in range(DEGREE)]
    return np.array(powers, dtype=object)


_EVALUATE: Final = _matrix(_root())
_INTERPOLATE: Final = _matrix(pow(_root(), -1, MODULUS)).T * pow(DEGREE, -1, MODULUS) % MODULUS


def times(a: Element, b: Element) -> Element:
    """The negacyclic product."""
    return np.asarray(_INTERPOLATE @ ((_EVALUATE @ a) * (_EVALUATE @ b) % MODULUS) % MODULUS)


def divided(b: Element, a: Element) -> Element:
    """The x with a x = b; almost every ``a`` is invertible."""
    inverses = np.array([pow(int(value), -1, MODULUS) for value in _EVALUATE @ a % MODULUS], dtype=object)
    return np.asarray(_INTERPOLATE @ ((_EVALUATE @ b) * inverses % MODULUS) % MODULUS)


def uniform(rng: np.random.Generator, modulus: int = MODULUS) -> Element:
    return integers(int.from_bytes(rng.bytes(24), "little") % modulus for _ in range(DEGREE))


def integers(values: Any) -> Element:
    return np.array([int(value) for value in values], dtype=object)


def centred(values: Element, modulus: int = MODULUS) -> Element:
    """Representatives in [-modulus / 2, modulus / 2)."""
    return (values + modulus // 2) % modulus - modulus // 2


def rounded(values: Element, unit: int) -> Element:
    """The nearest multiples of ``unit``, as counts."""
    return (values + unit // 2) // unit
