"""A manufacturer's voucher key on disk: PKCS #8 under a password, as other programs write it too."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from protocol.errors import HearthError, MalformedError
from protocol.messages.vouchers import MODULUS_BYTES
from protocol.vouchers.permutation import EXPONENT
from protocol.vouchers.signing import VoucherKey
from storage.bounded_file import read_bounded
from storage.durable_file import write_new_file

MAX_KEY_FILE_BYTES: Final = 16 * 1024


class VoucherKeyError(HearthError):
    """A voucher key that cannot be read, or that the password does not open."""

    code = "E_VOUCHER_KEY"


def new_key() -> VoucherKey:
    """Of the system's randomness, which ``cryptography`` asks itself."""
    return _primes(rsa.generate_private_key(EXPONENT, 8 * MODULUS_BYTES).private_numbers())


def write_key(path: Path, key: VoucherKey, password: str) -> None:
    """Mode 0600; never over another file. Raises VoucherKeyError, OSError."""
    if not password:
        raise VoucherKeyError("a voucher key needs a password")
    private = _private(key)
    try:
        text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()))
    except ValueError as error:
        raise VoucherKeyError(f"this password keeps no voucher key: {error}") from error
    write_new_file(path, text, 0o600)


def read_key(path: Path, password: str) -> VoucherKey:
    """Raises VoucherKeyError."""
    try:
        private = load_pem_private_key(read_bounded(path, MAX_KEY_FILE_BYTES), password.encode())
        if not isinstance(private, rsa.RSAPrivateKey):
            raise VoucherKeyError(f"{path}: a key of another kind")
        return _primes(private.private_numbers())
    except (OSError, ValueError, TypeError, MalformedError) as error:
        raise VoucherKeyError(f"{path}: no voucher key that this password opens") from error


def _primes(numbers: rsa.RSAPrivateNumbers) -> VoucherKey:
    return VoucherKey(numbers.p, numbers.q)


def _private(key: VoucherKey) -> rsa.RSAPrivateKey:
    exponent = pow(EXPONENT, -1, (key.p - 1) * (key.q - 1))
    public = rsa.RSAPublicNumbers(EXPONENT, key.modulus)
    numbers = rsa.RSAPrivateNumbers(
        key.p, key.q, exponent, exponent % (key.p - 1), exponent % (key.q - 1), rsa.rsa_crt_iqmp(key.p, key.q), public
    )
    return numbers.private_key()
