"""A key whose exponent does not permute proves nothing, however its maker tries.

given a modulus with a prime that is 1 modulo the exponent
    when its maker gives every root that there is
        should be refused: most challenges have none
given a modulus that is no product of different primes
    when its maker gives roots of degree e
        should be refused: those of degree eN are not there
"""

from __future__ import annotations

from itertools import count

import pytest

from protocol.errors import MalformedError, SpecError, VerificationError
from protocol.messages.vouchers import ROOTS, VoucherTerms
from protocol.vouchers.permutation import EXPONENT, challenges, check_key, degrees
from protocol.vouchers.signing import VoucherKey
from tests.voucher_keys import KEYS

_FULL, _ROOT = b"\xff" * 256, b"\1" * 256


def is_prime(number: int) -> bool:
    """Fermat's test to a few bases: nobody chose these numbers to fool it."""
    return all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7))


def test_a_prime_that_is_one_modulo_the_exponent_is_found() -> None:
    p = next(n for k in count(2**1008) if is_prime(n := 2 * EXPONENT * k + 1))
    q = next(n for n in count(2**2048 // p - 10**6 | 1, 2) if is_prime(n) and n % EXPONENT != 1)
    modulus, order = p * q, (p - 1) // EXPONENT * (q - 1)
    assert modulus.bit_length() == 2048
    powers = [pow(value, order, modulus) == 1 for value in challenges(modulus)]
    assert not all(powers), "so many values have no root of degree e"
    inverse = pow(EXPONENT, -1, order)
    roots = tuple(pow(value, inverse, modulus).to_bytes(256) for value in challenges(modulus))
    with pytest.raises(VerificationError, match="a root is wrong"):
        check_key(VoucherTerms(modulus.to_bytes(256), roots))
    with pytest.raises(MalformedError):
        VoucherKey(p, q)


def test_a_square_factor_is_found() -> None:
    p = next(n for n in count((2**682 // 3) * 4 | 1, 2) if is_prime(n))
    q = next(n for n in count(2**2048 // (p * p) - 10**6 | 1, 2) if is_prime(n))
    modulus, totient = p * p * q, p * (p - 1) * (q - 1)
    assert modulus.bit_length() == 2048
    inverse = pow(EXPONENT, -1, totient)
    plain = [pow(value, inverse, modulus) for value in challenges(modulus)]
    assert all(pow(root, EXPONENT, modulus) == value for root, value in zip(plain, challenges(modulus), strict=True))
    with pytest.raises(VerificationError, match="a root is wrong"):
        check_key(VoucherTerms(modulus.to_bytes(256), tuple(root.to_bytes(256) for root in plain)))


def test_challenges_are_below_the_modulus_and_differ() -> None:
    modulus = KEYS[0].modulus
    assert len(set(challenges(modulus))) == len(degrees(modulus)) == ROOTS
    assert all(value < modulus for value in challenges(modulus))
    assert degrees(modulus) == (*(EXPONENT * modulus,) * 8, EXPONENT)


@pytest.mark.parametrize(
    ("modulus", "roots"),
    [(_FULL, ()), (b"", (_ROOT,) * 9), (_FULL[1:], (_ROOT,) * 9), (_FULL, (_ROOT,) * 8)],
)
def test_a_key_comes_with_its_proof(modulus: bytes, roots: tuple[bytes, ...]) -> None:
    with pytest.raises(SpecError, match=r"vouchers\.modulus"):
        VoucherTerms(modulus, roots)


def test_two_equal_primes_are_no_key() -> None:
    with pytest.raises(MalformedError):
        VoucherKey(KEYS[0].p, KEYS[0].p)
