"""FE64 in R_q with 8 coefficients instead of 4096, many rounds at a time: real f, encoding, sharing and noise."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.committee import subsets, subsets_without
from protocol.encryption.fe64.encoding import Fe64Encoding, residual_bound
from protocol.encryption.fe64.functional_key import interpolate, sharing_coefficient
from protocol.encryption.fe64.gaussian import noise_block
from protocol.encryption.fe64.ring import DELTA, PLAINTEXT_MODULUS, PRIMES, ROOTS, reduce, switch_to_words

DEGREE: Final = 8
Limbs = npt.NDArray[np.uint64]  # shape (3, rounds * 8): one small ring element for each round, in evaluation order
_Q: Final = np.array(PRIMES, np.uint64)


def _interpolation() -> npt.NDArray[np.uint64]:
    """shape (3, 8, 8): coefficients from values at the odd powers of a primitive 16-th root."""
    tables = []
    for prime, psi in zip(PRIMES, ROOTS, strict=True):
        inverse, scale = pow(psi, -8192 // (2 * DEGREE), prime), pow(DEGREE, -1, prime)
        tables.append([[scale * pow(inverse, (2 * k + 1) * n, prime) % prime for k in range(8)] for n in range(8)])
    return np.array(tables, np.uint64)


_INTERPOLATE: Final = _interpolation()


def uniform(rng: np.random.Generator, rounds: int) -> Limbs:
    return np.array([rng.integers(0, prime, rounds * DEGREE, np.uint64) for prime in PRIMES])


def coefficients(values: Limbs) -> Limbs:
    points = values.reshape(3, -1, DEGREE)
    total = np.zeros_like(points)
    for k in range(DEGREE):
        total += points[:, :, k : k + 1] * _INTERPOLATE[:, None, :, k] % _Q[:, None, None]
    return reduce(total.reshape(3, -1))


class Client:
    """One client of every round: a master key of uniform ring elements for each subset."""

    def __init__(self, rng: np.random.Generator, rounds: int, m: int, t: int) -> None:
        self.keys = {subset: uniform(rng, rounds) for subset in subsets(m, t)}

    def encrypt(
        self, public: Limbs, values: npt.NDArray[np.int64], encoding: Fe64Encoding, noise_key: bytes
    ) -> npt.NDArray[np.uint64]:
        """f(a s + e + Delta m) over all rounds; ``values`` as the fields of these words lie."""
        secret = reduce(np.sum(list(self.keys.values()), axis=0, dtype=np.uint64))
        blocks = -(-public.shape[1] // 4096)
        noise = np.concatenate([noise_block(noise_key, t) for t in range(blocks)])[: public.shape[1]]
        message = reduce(encoding.pack(values)) * np.uint64(DELTA)
        masked = coefficients(reduce(public * secret)) + reduce(message)
        return switch_to_words(reduce(masked + (noise % _Q.astype(np.int64)[:, None]).astype(np.uint64)))

    def share(self, j: int, m: int, t: int) -> Limbs:
        held = [reduce(self.keys[subset] * sharing_coefficient(subset, j)) for subset in subsets_without(m, t, j)]
        return reduce(np.sum(held, axis=0, dtype=np.uint64))


def decrypted(
    words: npt.NDArray[np.uint64],
    public: Limbs,
    partials: dict[int, Limbs],
    weights: npt.NDArray[np.int64],
    encoding: Fe64Encoding,
) -> npt.NDArray[np.int64]:
    """Sums of every round; ``weights``: shape (rounds, clients). Asserts that the noise is below its bound."""
    key = interpolate(partials, list(partials), 0)
    mask = switch_to_words(coefficients(reduce(public * key)))
    product: npt.NDArray[Any] = (words - mask).astype(object) * PLAINTEXT_MODULUS + 2**63
    residual = np.abs(product % 2**64 - 2**63).reshape(-1, DEGREE).max(axis=1)
    for largest, row in zip(residual, weights.tolist(), strict=True):
        assert largest <= residual_bound(row) * PLAINTEXT_MODULUS
    fields = encoding.unpack((product // 2**64 % PLAINTEXT_MODULUS).astype(np.uint64))
    offsets = weights.sum(axis=1).repeat(DEGREE) << (encoding.bits - 1)
    sums: npt.NDArray[np.int64] = (fields - offsets).reshape(-1)
    return sums
