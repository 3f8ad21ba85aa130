"""Chaum's blind signatures with RSA: what a phone has signed without showing it, and what everybody checks.

Chaum, "Blind Signatures for Untraceable Payments", CRYPTO '82; the checks are those of RFC 9474, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Final

from protocol.domain import Domain
from protocol.errors import HearthError, Party, VerificationError
from protocol.identifiers import Address
from protocol.keccak import keccak
from protocol.messages.vouchers import MODULUS_BYTES
from protocol.randomness import Randomness
from protocol.vouchers.hashing import full_domain_hash
from protocol.vouchers.permutation import EXPONENT

_DRAWN_BYTES: Final = MODULUS_BYTES + 32  # the rest of the division by N is as good as uniform


class VoucherError(HearthError):
    """A voucher that is none for this client in this task, or an answer that leads to none."""

    code = "E_VOUCHER"


@dataclass(frozen=True, slots=True)
class Statement:
    """What a voucher says: of this key, for this client in this task of this ledger."""

    domain: Domain
    modulus: bytes
    task: int
    client: Address

    @property
    def number(self) -> int:
        return int.from_bytes(self.modulus)

    @property
    def hash(self) -> int:
        return full_domain_hash(self.domain, keccak(self.modulus), self.task, self.client)


def draw_blinding(statement: Statement, randomness: Randomness) -> bytes:
    """A unit modulo N. Raises VoucherError where the modulus shares a factor with it or with the hash: a bad key."""
    drawn = int.from_bytes(randomness.draw(f"voucher/{statement.task}/blinding", _DRAWN_BYTES)) % statement.number
    if gcd(drawn * statement.hash, statement.number) != 1:
        raise VoucherError("the task's voucher key has a factor that can be found", fault=Party.MANUFACTURER)
    return drawn.to_bytes(MODULUS_BYTES)


def blind(statement: Statement, blinding: bytes) -> bytes:
    """What the manufacturer is shown: hash * blinding^e modulo N."""
    hidden = pow(int.from_bytes(blinding), EXPONENT, statement.number)
    return (statement.hash * hidden % statement.number).to_bytes(MODULUS_BYTES)


def unblind(statement: Statement, blinding: bytes, signature: bytes) -> bytes:
    """The voucher. Raises VoucherError for a signature of something else."""
    inverse = pow(int.from_bytes(blinding), -1, statement.number)
    voucher = (int.from_bytes(signature) * inverse % statement.number).to_bytes(MODULUS_BYTES)
    try:
        verify_voucher(statement, voucher, Party.MANUFACTURER)
    except VerificationError as error:
        raise VoucherError("the server signed something else", fault=Party.MANUFACTURER) from error
    return voucher


def verify_voucher(statement: Statement, voucher: bytes, fault: Party) -> None:
    """As the ledger does. Raises VerificationError."""
    number, modulus = int.from_bytes(voucher), statement.number
    sized = len(voucher) == len(statement.modulus) == MODULUS_BYTES and statement.modulus[0] >= 0x80
    if not sized or number >= modulus or pow(number, EXPONENT, modulus) != statement.hash:
        raise VerificationError("the voucher is none for this address in this task", fault=fault)
