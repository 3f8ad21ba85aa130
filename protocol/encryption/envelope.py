"""How a client's master keys reach the authorities: sealed to each, with public digests by which copies compare.

Hybrid X25519 + ML-KEM-768 (FIPS 203), HKDF-SHA256 (RFC 5869), AES-256-GCM; a share stays closed unless both key
agreements are broken. One canonical envelope per client and task; its digest stands on chain (``encryption.md`` 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Annotated, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol.encryption.committee import (
    KEY_BYTES,
    MAX_SUBSETS,
    Subset,
    authority_share,
    key_commitment,
    subsets,
    subsets_without,
)
from protocol.errors import EncryptionError, Party
from protocol.identifiers import Address, Count, Digest, Range, Word, sha256
from protocol.randomness import Randomness

MAX_ENVELOPE_BYTES: Final = 4 * 1024 * 1024
PUBLIC_KEY_BYTES: Final = 1216
SEED_BYTES: Final = 96

_SALT_BYTES: Final = 32
_ENTRY_BYTES: Final = KEY_BYTES + _SALT_BYTES
_X25519_BYTES: Final = 32
_HEADER_BYTES: Final = _X25519_BYTES + 1088  # ephemeral key || ML-KEM ciphertext
_TAG_BYTES: Final = 16
_LARGEST_SHARE: Final = _HEADER_BYTES + MAX_SUBSETS * _ENTRY_BYTES + _TAG_BYTES


@dataclass(frozen=True, slots=True)
class SealedShare:
    """X25519 ephemeral (32) || ML-KEM-768 ciphertext (1088) || AES-256-GCM of key || salt per subset || tag (16)."""

    authority: Address
    ciphertext: Annotated[bytes, Range(_HEADER_BYTES + _TAG_BYTES, _LARGEST_SHARE)]


@dataclass(frozen=True, slots=True)
class KeyEnvelope:
    """One client's enrolment at a committee; authority j = 1..m is that of ``shares[j - 1]``, sealed to its key of
    ``window``.

    ``commitments`` are SHA256(salt_B || K_B) for every subset B, in the order of :func:`~.committee.subsets`.
    """

    task: Word
    window: Count
    client: Address
    threshold: Annotated[int, Range(2, 16)]
    commitments: Annotated[tuple[Digest, ...], Range(2, MAX_SUBSETS)]
    shares: Annotated[tuple[SealedShare, ...], Range(2, 16)]


class EncryptionKeyPair:
    """An authority's key pair for the shares of one window, from 96 secret bytes: X25519 (32) || ML-KEM seed (64)."""

    def __init__(self, seed: bytes) -> None:
        """Raises EncryptionError ``E_PARAMS`` for another size."""
        if len(seed) != SEED_BYTES:
            raise EncryptionError(f"a seed of {len(seed)} bytes, {SEED_BYTES} expected", code="E_PARAMS")
        self._seed = seed
        self._x25519 = X25519PrivateKey.from_private_bytes(seed[:_X25519_BYTES])
        self._mlkem = MLKEM768PrivateKey.from_seed_bytes(seed[_X25519_BYTES:])

    @classmethod
    def generate(cls, randomness: Randomness) -> EncryptionKeyPair:
        return cls(randomness.draw("key authority/encryption key", SEED_BYTES))

    def private_bytes(self) -> bytes:
        """The seed, for the authority's records."""
        return self._seed

    def public_bytes(self) -> bytes:
        """X25519 (32) || ML-KEM-768 encapsulation key (1184), as the authority signs it."""
        return self._x25519.public_key().public_bytes_raw() + self._mlkem.public_key().public_bytes_raw()

    def _open(self, ciphertext: bytes, associated: bytes) -> bytes:
        """Raises ValueError or InvalidTag."""
        header = ciphertext[:_HEADER_BYTES]
        agreed = self._x25519.exchange(X25519PublicKey.from_public_bytes(header[:_X25519_BYTES]))
        encapsulated = self._mlkem.decapsulate(header[_X25519_BYTES:])
        key, nonce = _sealing_key(agreed + encapsulated, header, self.public_bytes())
        return AESGCM(key).decrypt(nonce, ciphertext[_HEADER_BYTES:], associated)


def seal_envelope(
    master_keys: Mapping[Subset, bytes],
    domain: bytes,
    task: int,
    window: int,
    client: Address,
    members: Sequence[tuple[Address, bytes]],
    t: int,
    randomness: Randomness,
) -> KeyEnvelope:
    """Seal to every member (address, encryption key of the window) the keys of the subsets it is not in.

    ``domain`` is the unambiguous prefix of chain and ledger. ML-KEM draws from the system, so two envelopes over the
    same keys differ. Raises EncryptionError ``E_PARAMS`` (fault: the authority's for a bad key).
    """
    m, scope = len(members), f"task/{task}/window/{window}/envelope"
    names = subsets(m, t)
    if set(master_keys) != set(names):
        raise EncryptionError(f"not the keys of a {t}-of-{m} committee", code="E_PARAMS")
    drawn = randomness.draw(f"{scope}/salts", _SALT_BYTES * len(names))
    salts = {subset: drawn[_SALT_BYTES * i : _SALT_BYTES * (i + 1)] for i, subset in enumerate(names)}
    shares = []
    for j, (authority, public_key) in enumerate(members, start=1):
        plain = b"".join(key + salts[subset] for subset, key in sorted(authority_share(master_keys, j).items()))
        ephemeral = randomness.draw(f"{scope}/ephemeral/{j}", _X25519_BYTES)
        associated = _associated_data(domain, task, window, client, authority, j, m, t)
        shares.append(SealedShare(authority, _seal(plain, public_key, ephemeral, associated)))
    commitments = tuple(key_commitment(salts[subset], master_keys[subset]) for subset in names)
    return KeyEnvelope(task, window, client, t, commitments, tuple(shares))


def check_envelope(envelope: KeyEnvelope, task: int, client: Address, members: Sequence[Address], t: int) -> None:
    """That an envelope is for this task, client and committee, with a digest for each key and a share of the right size
    for each member. Raises EncryptionError ``E_ENROLMENT`` (fault: client).
    """
    if (envelope.task, envelope.client, envelope.threshold) != (task, client, t):
        raise _refusal("the envelope is for another task, client or threshold")
    if [share.authority for share in envelope.shares] != list(members):
        raise _refusal("the envelope's authorities are not the committee")
    _check_shape(envelope)


def open_share(envelope: KeyEnvelope, domain: bytes, j: int, private_key: EncryptionKeyPair) -> dict[Subset, bytes]:
    """Authority ``j``'s keys, each checked against the envelope's digest of it. Task, client and committee are for
    :func:`check_envelope`. Raises EncryptionError ``E_ENROLMENT`` (fault: client), whatever is wrong with the envelope.
    """
    _check_shape(envelope)
    m, t = len(envelope.shares), envelope.threshold
    if not 1 <= j <= m:
        raise _refusal(f"the envelope has no share for authority {j}")
    held = subsets_without(m, t, j)
    sealed = envelope.shares[j - 1]
    associated = _associated_data(domain, envelope.task, envelope.window, envelope.client, sealed.authority, j, m, t)
    try:
        plain = private_key._open(sealed.ciphertext, associated)
    except (ValueError, InvalidTag) as error:
        raise _refusal(f"authority {j} cannot open its share") from error
    digests = dict(zip(subsets(m, t), envelope.commitments, strict=True))
    keys = {}
    for i, subset in enumerate(held):
        entry = plain[_ENTRY_BYTES * i : _ENTRY_BYTES * (i + 1)]
        key, salt = entry[:KEY_BYTES], entry[KEY_BYTES:]
        if key_commitment(salt, key) != digests[subset]:
            raise _refusal(f"the key of subset {subset} is not the one committed to")
        keys[subset] = key
    return keys


def _check_shape(envelope: KeyEnvelope) -> None:
    m, t = len(envelope.shares), envelope.threshold
    if not 2 <= t <= m or len(envelope.commitments) != comb(m, t - 1):
        raise _refusal(f"{len(envelope.commitments)} digests for a {t}-of-{m} committee")
    size = _HEADER_BYTES + _ENTRY_BYTES * comb(m - 1, t - 1) + _TAG_BYTES
    if any(len(share.ciphertext) != size for share in envelope.shares):
        raise _refusal(f"a sealed share is not {size} bytes")


def _refusal(message: str) -> EncryptionError:
    return EncryptionError(message, code="E_ENROLMENT", fault=Party.CLIENT)


def _seal(plain: bytes, public_key: bytes, ephemeral: bytes, associated: bytes) -> bytes:
    private = X25519PrivateKey.from_private_bytes(ephemeral)
    try:
        agreed = private.exchange(X25519PublicKey.from_public_bytes(public_key[:_X25519_BYTES]))
        encapsulated, ciphertext = MLKEM768PublicKey.from_public_bytes(public_key[_X25519_BYTES:]).encapsulate()
    except ValueError as error:
        raise EncryptionError(
            "an authority's encryption key is not valid", code="E_PARAMS", fault=Party.KEY_AUTHORITY
        ) from error
    header = private.public_key().public_bytes_raw() + ciphertext
    key, nonce = _sealing_key(agreed + encapsulated, header, public_key)
    return header + AESGCM(key).encrypt(nonce, plain, associated)


def _sealing_key(agreed: bytes, header: bytes, public_key: bytes) -> tuple[bytes, bytes]:
    """Key (32) and nonce (12) of one share, bound to the whole exchange; sealing once, the nonce may follow."""
    info = b"HEARTH/key-envelope/3" + sha256(header + public_key)
    derived = HKDF(algorithm=SHA256(), length=44, salt=None, info=info).derive(agreed)
    return derived[:32], derived[32:]


def _associated_data(
    domain: bytes, task: int, window: int, client: Address, authority: Address, j: int, m: int, t: int
) -> bytes:
    """What a share belongs to; everything after ``domain`` has a fixed size."""
    return domain + task.to_bytes(32, "big") + window.to_bytes(4, "big") + client + authority + bytes((j, m, t))
