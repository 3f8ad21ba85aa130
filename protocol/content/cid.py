"""Content addresses computed here, never believed: CIDv1, SHA-256, raw leaves, balanced UnixFS tree of 174 links.

Equal to what Kubo answers for ``cid-version=1&raw-leaves=true&hash=sha2-256&max-file-links=174&trickle=false``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from protocol.errors import MalformedError
from protocol.identifiers import Digest, sha256

Codec = Literal["raw", "dag-pb"]

CHUNK_BYTES = 262_144
MAX_CHUNK_BYTES = 1_048_576  # Kubo refuses larger chunks; its block limit is 2 MiB
LINKS_PER_NODE = 174
CID_TEXT_LENGTH = 59

_CODEC_BYTE: dict[Codec, int] = {"raw": 0x55, "dag-pb": 0x70}
_CODEC_NAME: dict[int, Codec] = {0x55: "raw", 0x70: "dag-pb"}
_VERSION, _SHA2_256, _DIGEST_BYTES = 0x01, 0x12, 32
MAX_NODE_BYTES = 16_384  # 174 links of at most 56 bytes, 174 sizes of at most 10, and a few bytes more
_FIRST_LINK = re.compile(rb"\x12.\x0a\x24\x01[\x55\x70]\x12\x20", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cid:
    """A CIDv1 with a SHA-256 digest of one block: a whole small file (raw) or the root of a tree (dag-pb)."""

    codec: Codec
    digest: Digest

    def __post_init__(self) -> None:
        if self.codec not in _CODEC_BYTE or len(self.digest) != _DIGEST_BYTES:
            raise MalformedError(f"no CID of codec {self.codec!r} and {len(self.digest)} digest bytes")

    @property
    def binary(self) -> bytes:
        """36 bytes: version, codec, multihash."""
        return bytes((_VERSION, _CODEC_BYTE[self.codec], _SHA2_256, _DIGEST_BYTES)) + self.digest

    @property
    def text(self) -> str:
        """Multibase base32, lower case, no padding: 59 characters, ``bafkrei...`` or ``bafybei...``."""
        return "b" + base64.b32encode(self.binary).decode("ascii").rstrip("=").lower()

    @classmethod
    def parse(cls, text: str) -> Cid:
        """Strict inverse of :attr:`text`: no other base, case, codec, hash or spare bit. Raises MalformedError."""
        if len(text) != CID_TEXT_LENGTH or not text.isascii():
            raise MalformedError(f"not a CIDv1 of {CID_TEXT_LENGTH} characters: {text[:64]!r}")
        try:
            binary = base64.b32decode(text[1:].upper() + "=" * (-(len(text) - 1) % 8))
        except binascii.Error as error:
            raise MalformedError(f"not base32: {text!r}") from error
        codec = _CODEC_NAME.get(binary[1])
        if codec is None:
            raise MalformedError(f"codec 0x{binary[1]:02x} is neither raw nor dag-pb: {text!r}")
        cid = cls(codec, binary[4:])
        if cid.text != text:
            raise MalformedError(f"not the canonical text of a SHA-256 CIDv1: {text!r}")
        return cid


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a tree: its address and its bytes."""

    cid: Cid
    data: bytes


@dataclass(frozen=True, slots=True)
class Subtree:
    cid: Cid
    file_bytes: int  # of the file's content below this block
    stored_bytes: int  # of this block and all blocks below it


def cid_of(data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Cid:
    """Address of a file cut into ``chunk_bytes`` leaves; a file of one leaf (or none) is its raw leaf."""
    return deque(blocks_of(data, chunk_bytes), maxlen=1).pop().cid


def blocks_of(data: bytes, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Block]:
    """Yields every block of the file's tree: the leaves in order, then level by level; the root comes last."""
    if not 0 < chunk_bytes <= MAX_CHUNK_BYTES:
        raise MalformedError(f"chunk size {chunk_bytes} is not in [1, {MAX_CHUNK_BYTES}]")
    level: list[Subtree] = []
    for offset in range(0, max(len(data), 1), chunk_bytes):
        leaf = data[offset : offset + chunk_bytes]
        cid = Cid("raw", sha256(leaf))
        level.append(Subtree(cid, len(leaf), len(leaf)))
        yield Block(cid, leaf)
    while len(level) > 1:
        parents: list[Subtree] = []
        for start in range(0, len(level), LINKS_PER_NODE):
            children = level[start : start + LINKS_PER_NODE]
            node = node_bytes(children)
            cid = Cid("dag-pb", sha256(node))
            stored = len(node) + sum(child.stored_bytes for child in children)
            parents.append(Subtree(cid, sum(child.file_bytes for child in children), stored))
            yield Block(cid, node)
        level = parents


def is_tree_node(block: bytes) -> bool:
    """Whether a block begins as every inner node does: with a link to a SHA-256 CIDv1.

    A digest alone does not say which codec it was made with, and a daemon finds blocks by digest alone; so
    a block that begins like this is read as a tree, always, and no file of one leaf may begin like this.
    """
    return _FIRST_LINK.match(block) is not None


def file_bytes_of(node: bytes) -> int:
    """Size in bytes of the file that an inner node claims to be the root of. Raises MalformedError."""
    position = 0
    while node[position : position + 1] == b"\x12":
        length, position = _read_varint(node, position + 1)
        position += length
    if node[position : position + 1] != b"\x0a":
        raise MalformedError("dag-pb node without data")
    _, position = _read_varint(node, position + 1)
    if node[position : position + 3] != b"\x08\x02\x18":
        raise MalformedError("dag-pb node is not a UnixFS file with a size")
    return _read_varint(node, position + 3)[0]


def node_bytes(children: list[Subtree]) -> bytes:
    """A UnixFS file node; dag-pb puts the links (field 2) before the data (field 1)."""
    links = b"".join(
        _field(2, _field(1, child.cid.binary) + _field(2, b"") + _number(3, child.stored_bytes)) for child in children
    )
    file_bytes = sum(child.file_bytes for child in children)
    unixfs = _number(1, 2) + _number(3, file_bytes) + b"".join(_number(4, child.file_bytes) for child in children)
    return links + _field(1, unixfs)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[position : position + 9]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, position + count + 1
    raise MalformedError("varint does not end")


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)
