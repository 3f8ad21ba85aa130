"""The phone's master keys for one task and one epoch, as one canonical file beside its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from protocol.canonical import decode, encode
from protocol.encryption.committee import Subset
from protocol.identifiers import Digest, Range


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The key that every authority outside ``subset`` shares with this client."""

    subset: tuple[int, ...]
    key: Digest  # 32 secret bytes


@dataclass(frozen=True, slots=True)
class MasterKeys:
    keys: Annotated[tuple[MasterKey, ...], Range(1, 10_000)]


def encode_master_keys(keys: Mapping[Subset, bytes]) -> bytes:
    return encode(MasterKeys(tuple(MasterKey(subset, keys[subset]) for subset in sorted(keys))))


def decode_master_keys(data: bytes) -> dict[Subset, bytes]:
    return {entry.subset: entry.key for entry in decode(MasterKeys, data).keys}
