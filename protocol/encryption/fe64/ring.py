"""Arithmetic of ``FE64-A/1`` in R_q = Z_q[X]/(X^4096 + 1): constants, uniform sampler, inverse NTT and the switch f.

``encryption.md`` 3.1, 3.3 and 3.4. A ring element is a ``(3, 4096)`` uint64 array, one row of residues per prime of q.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.errors import EncryptionError
from protocol.streams import ctr_stream

Residues = npt.NDArray[np.uint64]  # shape (3, 4096), row i below PRIMES[i]
Words = npt.NDArray[np.uint64]

DEGREE: Final = 4096
PRIMES: Final = (134176769, 134111233, 268369921)
MODULUS: Final = PRIMES[0] * PRIMES[1] * PRIMES[2]
PLAINTEXT_MODULUS: Final = PRIMES[0] * PRIMES[1]  # T; divides q exactly, so encoding makes no error
DELTA: Final = PRIMES[2]
ROOTS: Final = (51707741, 43901320, 69502239)  # psi, primitive 8192-th roots of unity

RESERVE_WORDS: Final = 64
STREAM_BYTES: Final = len(PRIMES) * (DEGREE + RESERVE_WORDS) * 4

_Q: Final = np.array(PRIMES, np.uint64)[:, None]
_MASKS: Final = np.array([(1 << p.bit_length()) - 1 for p in PRIMES], np.uint32)[:, None]
_HALF: Final = np.uint64(32)

# The switch: K_i + F_i / 2^32 approximates 2^64 / q_i; RC centres the error that truncating K_i and F_i makes.
SCALES: Final = tuple((1 << 64) // p for p in PRIMES)
FRACTIONS: Final = tuple(((1 << 64) % p << 32) // p for p in PRIMES)
ROUNDING: Final = (1 << 31) + sum((((1 << 64) % p << 32) % p) * (p - 1) // (2 * p) for p in PRIMES)
COFACTORS: Final = tuple(pow(MODULUS // p, -1, p) for p in PRIMES)

_SCALE, _FRACTION, _COFACTOR = (np.array(row, np.uint64)[:, None] for row in (SCALES, FRACTIONS, COFACTORS))


def uniform_limbs(stream: bytes) -> Residues:
    """Sampler U (3.3): a uniform ring element from ``STREAM_BYTES`` uniform bytes.

    Raises EncryptionError ``E_SAMPLER`` when the reserve words run out (below 2^-150 for a random stream).
    """
    masked = np.frombuffer(stream, "<u4", STREAM_BYTES // 4).reshape(len(PRIMES), -1) & _MASKS
    limbs: Residues = masked[:, :DEGREE].astype(np.uint64)
    for limb, reserve, prime in zip(limbs, masked[:, DEGREE:], PRIMES, strict=True):
        refused = np.flatnonzero(limb >= prime)
        spare = reserve[reserve < prime]
        if len(refused) > len(spare):
            raise EncryptionError("the uniform sampler ran out of reserve words", code="E_SAMPLER")
        limb[refused] = spare[: len(refused)]
    return limbs


def public_block(label: bytes, t: int) -> Residues:
    """a_{r,t}: the public uniform element of block ``t`` under ``label``, in evaluation order; any block by itself."""
    return uniform_limbs(ctr_stream(public_key_of(label), STREAM_BYTES, t * STREAM_BYTES))


def public_key_of(label: bytes) -> bytes:
    """The AES-128 key, known to everybody, that the public elements of a label are expanded from."""
    return hashlib.sha256(b"FE64/a" + label).digest()[:16]


def multiply(a: Residues, b: Residues) -> Residues:
    """Product in the ring of two elements in evaluation order."""
    return a * b % _Q


def reduce(a: npt.NDArray[np.uint64]) -> Residues:
    """Residues of ``a``, broadcast over the three primes."""
    return a % _Q


def reduce_signed(a: npt.NDArray[np.int64]) -> Residues:
    """Residues of signed integers, broadcast over the three primes."""
    return (a % _Q.astype(np.int64)).astype(np.uint64)


@cache
def _powers() -> Residues:
    """psi^-n for n below 8192, one row per prime."""
    rows = []
    for prime, root in zip(PRIMES, ROOTS, strict=True):
        inverse, row = pow(root, -1, prime), [1]
        for _ in range(2 * DEGREE - 1):
            row.append(row[-1] * inverse % prime)
        rows.append(row)
    return np.array(rows, np.uint64)


def _exponents() -> npt.NDArray[np.int64]:
    """i * rev6(j) for the 64-point transforms.

    Array position 64 r + c holds the value at psi^(2k+1), k = kc + 64 kr, kc = rev6(c), kr = rev6(r). For coefficient
    n = 64 a + b, psi^(-2nk) = psi^(-128 a kc) * psi^(-2 b kc) * psi^(-128 b kr), because psi^8192 = 1.
    """
    index = np.arange(64)
    return np.outer(index, sum(((index >> i) & 1) << (5 - i) for i in range(6)))


@cache
def _roots() -> npt.NDArray[np.float64]:
    return _powers()[:, 128 * _exponents() % (2 * DEGREE)].astype(np.float64)


@cache
def twiddles() -> Residues:
    """The factors between the two passes of 64-point transforms, shape (3, 64, 64)."""
    return _powers()[:, 2 * _exponents() % (2 * DEGREE)]


@cache
def unscale() -> Residues:
    """N^-1 psi^-n, the factors after them."""
    inverse = np.array([[pow(DEGREE, -1, prime)] for prime in PRIMES], np.uint64)
    return _powers()[:, :DEGREE] * inverse % _Q


def _transform(values: Residues) -> Residues:
    """The 64-point transform of every column, shape (3, 64, 64), as two real matrix products.

    With ``values`` in two halves of 14 bits, every partial sum is an integer below 2^(28 + 14 + 6) = 2^48: float64 is
    exact and no order of summation matters.
    """
    low_bits = np.uint64(14)
    high = (_roots() @ (values >> low_bits).astype(np.float64)).astype(np.uint64) % _Q[:, :, None]
    low = (_roots() @ (values & np.uint64(0x3FFF)).astype(np.float64)).astype(np.uint64)
    return ((high << low_bits) + low) % _Q[:, :, None]


def inverse_ntt(values: Residues) -> Residues:
    """Coefficients 0..4095 of the element with these values in evaluation order (3.1)."""
    columns = _transform(values.reshape(len(PRIMES), 64, 64))  # [b, c]
    rows = _transform((columns * twiddles() % _Q[:, :, None]).transpose(0, 2, 1))  # [a, b]
    return rows.reshape(len(PRIMES), DEGREE) * unscale() % _Q


def switch_to_words(coefficients: Residues) -> Words:
    """f (3.4): each coefficient, scaled from Z_q to Z_(2^64) and rounded; shape (4096,)."""
    v = coefficients * _COFACTOR % _Q
    carry = ((v * _FRACTION).sum(axis=0, dtype=np.uint64) + np.uint64(ROUNDING)) >> _HALF
    words: Words = (v * _SCALE).sum(axis=0, dtype=np.uint64) + carry
    return words
