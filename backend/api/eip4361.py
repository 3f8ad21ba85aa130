"""Sign-in messages of EIP-4361 ("Sign-In with Ethereum"): built, read back strictly, and who signed one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from protocol.errors import MalformedError, Party, VerificationError
from protocol.identifiers import Address, checksummed, parse_address
from protocol.keccak import keccak

MAX_LETTERS: Final = 4_000
_ASKS: Final = " wants you to sign in with your Ethereum account:"
_MESSAGE: Final = re.compile(
    rf"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>[^\s/?#]+){_ASKS}\n"
    r"(?P<address>0x[0-9A-Fa-f]{40})\n\n(?:(?P<statement>[^\n]+)\n)?\n"
    r"URI: (?P<uri>[^\s]+)\nVersion: 1\nChain ID: (?P<chain_id>[0-9]{1,78})\nNonce: (?P<nonce>[A-Za-z0-9]{8,128})\n"
    r"Issued At: (?P<issued_at>[^\s]+)(?:\nExpiration Time: (?P<expires_at>[^\s]+))?"
    r"(?:\nNot Before: (?P<not_before>[^\s]+))?(?:\nRequest ID: (?P<request_id>[^\s]*))?"
    r"(?P<resources>\nResources:(?:\n- [^\s]+)*)?"
)


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """``str`` gives the text that a wallet shows. Instants as they are written there (RFC 3339)."""

    domain: str
    address: Address
    uri: str
    chain_id: int
    nonce: str
    issued_at: str
    statement: str | None = None
    expires_at: str | None = None
    not_before: str | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    scheme: str | None = None

    def __str__(self) -> str:
        optional = {
            "Expiration Time": self.expires_at,
            "Not Before": self.not_before,
            "Request ID": self.request_id,
        }
        lines = [
            f"{f'{self.scheme}://' if self.scheme else ''}{self.domain}{_ASKS}",
            checksummed(self.address),
            "",
            *([self.statement] if self.statement else []),
            "",
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {self.issued_at}",
            *(f"{name}: {value}" for name, value in optional.items() if value is not None),
            *([] if self.resources is None else ["Resources:", *(f"- {one}" for one in self.resources)]),
        ]
        return "\n".join(lines)


def parse_message(text: str) -> SignInMessage:
    """Raises MalformedError for everything that :class:`SignInMessage` would not write."""
    match = _MESSAGE.fullmatch(text) if len(text) <= MAX_LETTERS and text.isascii() else None
    if match is None:
        raise MalformedError("not a sign-in message of EIP-4361", fault=Party.CLIENT)
    found = match.groupdict()
    try:
        address = parse_address(found["address"])
    except MalformedError as error:
        raise MalformedError(str(error.args[0]), fault=Party.CLIENT) from error
    resources = found["resources"]
    message = SignInMessage(
        found["domain"],
        address,
        found["uri"],
        int(found["chain_id"]),
        found["nonce"],
        found["issued_at"],
        found["statement"],
        found["expires_at"],
        found["not_before"],
        found["request_id"],
        None if resources is None else tuple(line[2:] for line in resources.split("\n")[2:]),
        found["scheme"],
    )
    if str(message) != text:  # as of an address without the capitals of EIP-55
        raise MalformedError("a sign-in message that is not written as EIP-4361 writes it", fault=Party.CLIENT)
    return message


def seconds_of(instant: str) -> float:
    """Of an RFC 3339 instant, since 1970. Raises MalformedError."""
    try:
        found = datetime.fromisoformat(instant)
    except ValueError as error:
        raise MalformedError(f"{instant[:40]!r} is no instant", fault=Party.CLIENT) from error
    if found.tzinfo is None:
        raise MalformedError(f"{instant[:40]!r} has no time zone", fault=Party.CLIENT)
    return found.timestamp()


def signer_of(text: str, signature: bytes) -> Address:
    """The account whose ``personal_sign`` (EIP-191) this is. Raises MalformedError, VerificationError."""
    if len(signature) != 65 or signature[64] not in (0, 1, 27, 28):
        raise MalformedError("a signature is 65 bytes ending in 27 or 28", fault=Party.CLIENT)
    said = text.encode()
    digest = keccak(b"\x19Ethereum Signed Message:\n%d" % len(said) + said)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    try:
        signed = Signature(vrs=(signature[64] % 27, r, s))
        return signed.recover_public_key_from_msg_hash(digest).to_canonical_address()
    except (BadSignature, ValidationError) as error:
        raise VerificationError("invalid signature", fault=Party.CLIENT) from error
