"""The request for a round's functional key and the authorities' answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from protocol.canonical import encode
from protocol.content.cid import cid_of
from protocol.identifiers import ZERO_DIGEST, Address, Digest, Label, Nonce, Range, Signature, Size, Word
from protocol.messages.learning import ShortText
from protocol.messages.round import RoundPlan

MAX_REQUEST_BYTES = 8 * 1024 * 1024
SUM: Final = "sum"  # kind of a request: the weighted sum of the accepted updates

ENCRYPTION_KEY_BYTES: Final = 1216  # X25519 (32) || ML-KEM-768 (1184)
MAX_PARTIAL_KEY_BYTES = 64 * 1024 * 1024  # PAD/1: 6 bytes for each of ten million coordinates


@dataclass(frozen=True, slots=True)
class KeyRequestEntry:
    client: Address
    nonce: Nonce
    ciphertext: Digest
    weight: Annotated[int, Range(1, 255)]
    signature: Signature  # of the client's Commitment


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """Names the kind of opening and exactly the accepted set. On chain, as a digest, before any authority answers."""

    label: Label
    kind: ShortText
    entries: Annotated[tuple[KeyRequestEntry, ...], Range(1, 10_000)]  # ascending by client
    screening: Digest = ZERO_DIGEST  # content digest of the Screening that the accepted set follows from

    def digest(self) -> Digest:
        """As content: it is there before it is on chain, so that everybody can read it."""
        return cid_of(encode(self)).digest


@dataclass(frozen=True, slots=True)
class PartialKeyStatement:
    """EIP-712 ``PartialKey``, signed by the authority: ``residues`` is the content digest of its share."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    label: Label
    request: Digest
    authority: Address
    key_epoch: Annotated[int, Range(0, 2**32 - 1)]
    residues: Digest


@dataclass(frozen=True, slots=True)
class SignedPartialKey:
    statement: PartialKeyStatement
    signature: Signature


@dataclass(frozen=True, slots=True)
class SightingStatement:
    """EIP-712 ``Sighting``: the one request of its kind that an authority sees under the label, on its own chain."""

    task: Word
    round: Annotated[int, Range(1, 2**32 - 1)]
    kind: Digest  # SHA-256 of the kind's name
    label: Label
    digest: Digest  # of the KeyRequest
    authority: Address


@dataclass(frozen=True, slots=True)
class SignedSighting:
    statement: SightingStatement
    signature: Signature


Sightings = Annotated[tuple[SignedSighting, ...], Range(0, 16)]  # ascending by position in the committee


@dataclass(frozen=True, slots=True)
class PlannedKeyRequest:
    """What the edge server shows to an authority: the request, the plan it is under, and who saw it on chain."""

    plan: RoundPlan
    request: KeyRequest
    sightings: Sightings


@dataclass(frozen=True, slots=True)
class PartialKeyAnswer:
    """An authority's signed statement and the share itself, as the plan's suite encodes it."""

    signed: SignedPartialKey
    residues: Annotated[bytes, Range(1, MAX_PARTIAL_KEY_BYTES)]


@dataclass(frozen=True, slots=True)
class KeyAcceptanceStatement:
    """EIP-712 ``KeyAcceptance``: the authority holds this client's shares, and they match the envelope."""

    task: Word
    client: Address
    envelope: Digest
    authority: Address


@dataclass(frozen=True, slots=True)
class SignedKeyAcceptance:
    statement: KeyAcceptanceStatement
    signature: Signature


@dataclass(frozen=True, slots=True)
class WindowKeyStatement:
    """EIP-712 ``WindowKey``, signed by the authority: clients that enrol in this window of rounds seal its shares to
    the encryption key with digest ``key``."""

    task: Word
    window: Annotated[int, Range(0, 2**32 - 1)]
    authority: Address
    key: Digest


@dataclass(frozen=True, slots=True)
class SignedWindowKey:
    statement: WindowKeyStatement
    encryption_key: Annotated[bytes, Size(ENCRYPTION_KEY_BYTES)]
    signature: Signature


@dataclass(frozen=True, slots=True)
class WindowKeys:
    """All of one window, in the order of the committee."""

    keys: Annotated[tuple[SignedWindowKey, ...], Range(2, 16)]
