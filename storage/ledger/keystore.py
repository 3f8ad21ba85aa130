"""Keystore V3 files (Web3 Secret Storage): one private key under a password, as geth, cast and web3 write them."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from protocol.errors import HearthError, MalformedError
from protocol.keccak import keccak
from protocol.signing import address_of
from protocol.strict_json import parse_json
from storage.bounded_file import read_bounded
from storage.durable_file import write_new_file

SCRYPT_N: Final = 2**14  # 15 MB and 0.05 s: a phone must open its own keystore
MAX_SCRYPT_N: Final = 2**18  # what geth and cast write; more would let a planted file exhaust the memory
MAX_ITERATIONS: Final = 2**24  # of PBKDF2, some ten seconds; likewise
MAX_KEYSTORE_BYTES: Final = 16 * 1024
GROUP_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1
_SCRYPT_R: Final = 8
_MAX_SCRYPT_P: Final = 16
_DERIVED_BYTES: Final = 32


class KeystoreError(HearthError):
    """A keystore or password file that cannot be read, or a password that does not open it."""

    code = "E_KEYSTORE"


def checked_key(private_key: bytes) -> bytes:
    """The key itself. Raises KeystoreError for bytes that are no key."""
    if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < GROUP_ORDER:
        raise KeystoreError("a private key is 32 bytes, not zero and below the order of secp256k1")
    return private_key


def write_keystore(path: Path, private_key: bytes, password: str) -> None:
    """Writes a keystore (scrypt), mode 0600, durable when it returns. Of two that write one path, one does.

    Raises KeystoreError when it exists, for keys are not replaced; OSError when it cannot be written.
    """
    checked_key(private_key)
    if not password:
        raise KeystoreError("a keystore needs a password")
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    parameters = {"dklen": _DERIVED_BYTES, "n": SCRYPT_N, "r": _SCRYPT_R, "p": 1, "salt": salt.hex()}
    derived = _derive("scrypt", parameters, password.encode())
    ciphertext = _aes_ctr(derived[:16], iv, private_key)
    content = {
        "address": address_of(private_key).hex(),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": iv.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": "scrypt",
            "kdfparams": parameters,
            "mac": keccak(derived[16:] + ciphertext).hex(),
        },
        "id": str(uuid.uuid4()),
        "version": 3,
    }
    try:
        write_new_file(path, json.dumps(content).encode(), 0o600)
    except FileExistsError as error:
        raise KeystoreError(f"{path} exists, and a key is never replaced: name another file") from error


def load_keystore(path: Path, password: str) -> bytes:
    """The 32 key bytes of a keystore, of any writer. Raises KeystoreError."""
    try:
        content = parse_json(_read(path))
        crypto = content.get("crypto") or content["Crypto"]  # older writers have capitals
        derived = _derive(crypto["kdf"], crypto["kdfparams"], password.encode())
        ciphertext = bytes.fromhex(crypto["ciphertext"])
        right = hmac.compare_digest(keccak(derived[16:] + ciphertext), bytes.fromhex(crypto["mac"]))
        if content["version"] != 3 or crypto["cipher"] != "aes-128-ctr" or not right:
            raise ValueError("another version, another cipher or another password")
        return checked_key(_aes_ctr(derived[:16], bytes.fromhex(crypto["cipherparams"]["iv"]), ciphertext))
    except (MalformedError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise KeystoreError(f"{path}: not a keystore V3 file that this password opens: {error}") from error


def read_password(path: Path) -> str:
    """First line of a file. Raises KeystoreError when there is none."""
    try:
        password = _read(path).decode().partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError as error:
        raise KeystoreError(f"{path}: not UTF-8") from error
    if not password:
        raise KeystoreError(f"{path}: no password in it")
    return password


def _derive(kdf: str, parameters: Mapping[str, Any], password: bytes) -> bytes:
    """Raises ValueError for what no honest writer asks for."""
    salt = bytes.fromhex(parameters["salt"])
    if parameters["dklen"] != _DERIVED_BYTES:
        raise ValueError("keys of another length")
    if kdf == "scrypt":
        n, r, p = (parameters[name] for name in "nrp")
        if n * r > MAX_SCRYPT_N * _SCRYPT_R or r * p > _SCRYPT_R * _MAX_SCRYPT_P:
            raise ValueError(f"scrypt parameters above n = {MAX_SCRYPT_N}")
        most = 128 * r * (n + p + 2)
        return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=most, dklen=_DERIVED_BYTES)
    if kdf == "pbkdf2" and parameters["prf"] == "hmac-sha256" and 0 < parameters["c"] <= MAX_ITERATIONS:
        return hashlib.pbkdf2_hmac("sha256", password, salt, parameters["c"], _DERIVED_BYTES)
    raise ValueError("a key derivation that is not known")


def _aes_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor().update(data)


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_KEYSTORE_BYTES)
    except OSError as error:
        raise KeystoreError(f"{path}: {error.strerror}") from error
    except MalformedError as error:
        raise KeystoreError(error.args[0]) from error
