"""EIP-712 messages: struct hashes, signing and recovery for every signed type of the protocol."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import Final, get_args, get_type_hints

from coincurve import PrivateKey, PublicKey

from protocol.domain import Domain, uint256
from protocol.errors import MalformedError, Party, VerificationError
from protocol.identifiers import Address, Digest, to_hex
from protocol.keccak import keccak
from protocol.messages.consent import Consent
from protocol.messages.issued import IssuedStatement
from protocol.messages.keys import (
    KeyAcceptanceStatement,
    PartialKeyStatement,
    SightingStatement,
    WindowKeyStatement,
)
from protocol.messages.round import EndorsementStatement, RoundStatement
from protocol.messages.screening import OpeningStatement
from protocol.messages.submission import Commitment, Enrolment, Leave, Receipt
from protocol.text import in_words
from protocol.version import PROTOCOL_NAME, PROTOCOL_VERSION

Signable = (
    EndorsementStatement
    | Commitment
    | Consent
    | Enrolment
    | IssuedStatement
    | KeyAcceptanceStatement
    | Leave
    | OpeningStatement
    | PartialKeyStatement
    | Receipt
    | RoundStatement
    | SightingStatement
    | WindowKeyStatement
)

# Solidity types of the fields, in the order of the dataclass.
_TYPES: Final[dict[type, tuple[str, tuple[str, ...]]]] = {
    Enrolment: (
        "Enrolment",
        (
            "uint256 task",
            "bytes32 spec",
            "address client",
            "address signer",
            "bytes32 envelope",
            "uint128 stake",
            "uint48 lockedUntil",
            "uint48 deadline",
        ),
    ),
    Consent: ("Consent", ("uint256 task", "address client", "bytes32 spec", "bytes32 text", "bytes32 facts")),
    Leave: ("Leave", ("uint256 task", "address client")),
    Commitment: (
        "Commitment",
        ("uint256 task", "uint64 round", "address client", "bytes32 label", "bytes16 nonce", "bytes32 ciphertext"),
    ),
    Receipt: ("Receipt", ("uint256 task", "uint64 round", "bytes32 label", "bytes32 commitment")),
    EndorsementStatement: ("Endorsement", ("uint256 task", "uint64 round", "bytes32 label", "address authority")),
    RoundStatement: ("RoundStatement", ("uint256 task", "uint64 round", "bytes32 label", "bytes32 model")),
    PartialKeyStatement: (
        "PartialKey",
        (
            "uint256 task",
            "uint64 round",
            "bytes32 label",
            "bytes32 request",
            "address authority",
            "uint64 keyEpoch",
            "bytes32 residues",
        ),
    ),
    OpeningStatement: (
        "Opening",
        (
            "uint256 task",
            "uint64 round",
            "bytes32 label",
            "bytes32 request",
            "address authority",
            "uint64 keyEpoch",
            "bytes32 answers",
        ),
    ),
    IssuedStatement: (
        "Issued",
        ("uint256 task", "uint64 round", "bytes32 label", "bytes32 request", "address authority"),
    ),
    SightingStatement: (
        "Sighting",
        (
            "uint256 task",
            "uint64 round",
            "bytes32 kind",
            "bytes32 label",
            "bytes32 digest",
            "address authority",
        ),
    ),
    KeyAcceptanceStatement: (
        "KeyAcceptance",
        ("uint256 task", "address client", "bytes32 envelope", "address authority"),
    ),
    WindowKeyStatement: ("WindowKey", ("uint256 task", "uint64 window", "address authority", "bytes32 key")),
}
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


def type_string(message_type: type) -> str:
    """EIP-712 encodeType, e.g. ``Leave(uint256 task,address client)``."""
    name, members = _TYPES[message_type]
    return f"{name}({','.join(members)})"


def struct_hash(message: Signable) -> Digest:
    """EIP-712 hashStruct. All member types are static, so each is one 32-byte word."""
    type_hash, members = _LAYOUTS[type(message)]
    return keccak(type_hash + b"".join([_word(getattr(message, name), is_address) for name, is_address in members]))


@lru_cache(maxsize=64)
def domain_separator(domain: Domain) -> Digest:
    return keccak(
        keccak(_DOMAIN_TYPE)
        + keccak(PROTOCOL_NAME.encode())
        + keccak(PROTOCOL_VERSION.encode())
        + uint256(domain.chain_id)
        + bytes(12)
        + domain.ledger
    )


def signing_hash(domain: Domain, message: Signable) -> Digest:
    """What is signed: keccak(0x1901 || domainSeparator || hashStruct)."""
    return keccak(b"\x19\x01" + domain_separator(domain) + struct_hash(message))


class SigningKey:
    """A private key, made ready once. Raises ValueError for 32 bytes that are no key; never shows them."""

    def __init__(self, private_key: bytes) -> None:
        self._key = PrivateKey(private_key)
        self.address: Address = _address(self._key.public_key)

    def sign(self, domain: Domain, message: Signable) -> bytes:
        """Deterministic (RFC 6979) 65-byte signature r || s || v with v in {27, 28} and low s."""
        signature = self._key.sign_recoverable(signing_hash(domain, message), hasher=None)
        return signature[:64] + bytes([signature[64] + 27])


def sign(domain: Domain, message: Signable, private_key: bytes) -> bytes:
    """That of :meth:`SigningKey.sign`, for one message alone."""
    return SigningKey(private_key).sign(domain, message)


def address_of(private_key: bytes) -> Address:
    return SigningKey(private_key).address


def verify(domain: Domain, message: Signable, signature: bytes, signer: Address, fault: Party) -> None:
    """Raises VerificationError unless ``signer`` signed ``message``. High s and other v are refused, as on chain."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise MalformedError("a signature is 65 bytes ending in 27 or 28", fault=fault)
    try:
        if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
            raise ValueError("high s")
        compact = signature[:64] + bytes([signature[64] - 27])
        recovered = PublicKey.from_signature_and_message(compact, signing_hash(domain, message), hasher=None)
    except ValueError as error:
        raise VerificationError(f"{in_words(type(message).__name__)}: invalid signature", fault=fault) from error
    if _address(recovered) != signer:
        raise VerificationError(f"{in_words(type(message).__name__)}: not signed by {to_hex(signer)}", fault=fault)


def _address(key: PublicKey) -> Address:
    digest: bytes = keccak(key.format(compressed=False)[1:])
    return digest[12:]


def _word(value: int | bytes, is_address: bool) -> bytes:
    if isinstance(value, int):
        return uint256(value)
    return value.rjust(32, b"\0") if is_address else value.ljust(32, b"\0")


def _layout(message_type: type) -> tuple[Digest, tuple[tuple[str, bool], ...]]:
    """The hash of the type, and the fields in order: whether each is an address, which has its zeros before it."""
    addresses = [member.startswith("address ") for member in _TYPES[message_type][1]]
    names = [field.name for field in fields(message_type)]
    return keccak(type_string(message_type).encode()), tuple(zip(names, addresses, strict=True))


def _solidity_name(name: str) -> str:
    """``key_epoch`` is ``keyEpoch`` there."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _check_table() -> None:
    """Field names and order of the dataclasses and of the Solidity types must be the same."""
    for message_type, (_, members) in _TYPES.items():
        ours = [_solidity_name(f.name) for f in fields(message_type)]
        theirs = [member.split()[1] for member in members]
        if ours != theirs or any(not get_args(h) for h in get_type_hints(message_type, include_extras=True).values()):
            raise AssertionError(f"{message_type.__name__}: {ours} is not {theirs}")


_check_table()
_LAYOUTS: Final = {message_type: _layout(message_type) for message_type in _TYPES}
