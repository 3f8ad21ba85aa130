"""The proof that raising to the exponent permutes the integers modulo N, so that a blinded value tells nothing.

Goldberg, Reyzin, Sagga, Baldimtsi, "Efficient Noninteractive Certification of RSA Moduli and Beyond" (ePrint 2018/057):
N has no prime factor below ``SMALL``, ``WHOLE`` values that are hashed from N have roots of degree e N, and the others,
``ROOTS`` in all, roots of degree e. A modulus for which the exponent does not permute passes with probability 2^-128.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import gcd, prod
from typing import Final

from protocol.domain import uint256
from protocol.errors import Party, VerificationError
from protocol.keccak import keccak
from protocol.messages.vouchers import MODULUS_BYTES, ROOTS, VoucherTerms

EXPONENT: Final = 65_537
SMALL: Final = 65_537  # log2 of it is above 16
WHOLE: Final = 8  # 128 / 16: roots of degree N exist only where N and its totient have no common factor
_TAG: Final = keccak(b"HearthVoucherKey(bytes32 key,uint256 index,uint256 counter)")
_BLOCKS: Final = 9  # 256 bits more than N has: the rest of the division by N is as good as uniform


def challenges(modulus: int) -> tuple[int, ...]:
    """``ROOTS`` integers below the modulus that nobody chose."""
    key = keccak(modulus.to_bytes(MODULUS_BYTES))
    return tuple(_challenge(key, index) % modulus for index in range(ROOTS))


def degrees(modulus: int) -> tuple[int, ...]:
    """Of each challenge's root."""
    return tuple(EXPONENT * modulus if index < WHOLE else EXPONENT for index in range(ROOTS))


@lru_cache(maxsize=64)
def check_key(terms: VoucherTerms) -> int:
    """The modulus. Raises VerificationError where the proof fails: such a key could tell vouchers apart."""
    modulus = int.from_bytes(terms.modulus)
    if modulus.bit_length() != 8 * MODULUS_BYTES:
        raise _refusal("its modulus has another length than 2048 bits")
    if gcd(modulus, _small_primes()) != 1:
        raise _refusal(f"its modulus has a factor below {SMALL}")
    for root, challenge, degree in zip(terms.roots, challenges(modulus), degrees(modulus), strict=True):
        if pow(int.from_bytes(root), degree, modulus) != challenge:
            raise _refusal(f"a root is wrong, so that {EXPONENT} may not permute the integers modulo it")
    return modulus


def _challenge(key: bytes, index: int) -> int:
    said = _TAG + key + uint256(index)
    return int.from_bytes(b"".join(keccak(said + uint256(counter)) for counter in range(_BLOCKS)))


@cache
def _small_primes() -> int:
    """The product of all primes below ``SMALL``."""
    sieve = bytearray([1]) * SMALL
    for number in range(2, 257):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, SMALL, number)))
    return prod(number for number in range(2, SMALL) if sieve[number])


def _refusal(why: str) -> VerificationError:
    return VerificationError(f"the task's voucher key proves nothing: {why}", fault=Party.MANUFACTURER)
