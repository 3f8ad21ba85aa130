"""What the precompile of EIP-198 costs: by EIP-2565 (Berlin) and by EIP-7883 (Osaka)."""

from __future__ import annotations

from math import ceil
from typing import Final

VOUCHER: Final = (256, 256, 3, 65_537)  # bytes of base and modulus, then of the exponent, and the exponent


def berlin_price(base: int, modulus: int, length: int, exponent: int) -> int:
    """Gas of EIP-2565; ``base``, ``modulus`` and ``length`` (of the exponent) in bytes."""
    words = ceil(max(base, modulus) / 8)
    return max(200, words**2 * _iterations(length, exponent, 8) // 3)


def osaka_price(base: int, modulus: int, length: int, exponent: int) -> int:
    """Gas of EIP-7883."""
    most = max(base, modulus)
    complexity = 2 * ceil(most / 8) ** 2 if most > 32 else 16
    return max(500, complexity * _iterations(length, exponent, 16))


def _iterations(length: int, exponent: int, of_a_byte: int) -> int:
    """``exponent``: its first 32 bytes, where it has more."""
    beyond = of_a_byte * max(0, length - 32)
    return max(1, beyond + max(0, exponent.bit_length() - 1))
