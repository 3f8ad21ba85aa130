"""The manufacturer's half: signing what is blinded, and proving the key."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from protocol.errors import MalformedError, Party
from protocol.messages.vouchers import MODULUS_BYTES, VoucherTerms
from protocol.randomness import Randomness
from protocol.vouchers.blinding import VoucherError
from protocol.vouchers.permutation import EXPONENT, challenges, degrees


@dataclass(frozen=True, slots=True, repr=False)
class VoucherKey:
    """The two primes of a modulus of 2048 bits. Raises MalformedError for others."""

    p: int
    q: int

    def __post_init__(self) -> None:
        totient, modulus = (self.p - 1) * (self.q - 1), self.p * self.q
        if modulus.bit_length() != 8 * MODULUS_BYTES or gcd(totient, EXPONENT * modulus) != 1 or self.p == self.q:
            raise MalformedError("no voucher key: two primes whose product has 2048 bits")

    @property
    def modulus(self) -> int:
        return self.p * self.q

    def terms(self) -> VoucherTerms:
        """With the proof, which takes a tenth of a second."""
        totient, pairs = (self.p - 1) * (self.q - 1), zip(challenges(self.modulus), degrees(self.modulus), strict=True)
        roots = (pow(challenge, pow(degree, -1, totient), self.modulus) for challenge, degree in pairs)
        return VoucherTerms(self.modulus.to_bytes(MODULUS_BYTES), tuple(root.to_bytes(MODULUS_BYTES) for root in roots))

    def sign(self, blinded: bytes, randomness: Randomness) -> bytes:
        """One value has one signature, whatever is drawn: that only hides how long this takes (Kocher, CRYPTO '96).

        Raises VoucherError for what is no unit modulo N.
        """
        modulus, asked = self.modulus, int.from_bytes(blinded)
        if len(blinded) != MODULUS_BYTES or asked >= modulus or gcd(asked, modulus) != 1:
            raise VoucherError("no value that this key can sign", fault=Party.CLIENT)
        mask = int.from_bytes(randomness.draw("voucher/signing", MODULUS_BYTES + 32)) % modulus
        exponent = pow(EXPONENT, -1, (self.p - 1) * (self.q - 1))
        signed = pow(asked * pow(mask, EXPONENT, modulus), exponent, modulus) * pow(mask, -1, modulus) % modulus
        if pow(signed, EXPONENT, modulus) != asked:  # a fault of the machine would give the key away
            raise VoucherError("the signature came out wrong")
        return signed.to_bytes(MODULUS_BYTES)
