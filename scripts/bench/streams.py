"""What a party cannot do without: its AES-CTR key streams, and of a client the digest of its ciphertext.

How much of them a scheme takes follows from its specification. They are made by the same libraries in the same process,
with nothing done to them; so a party's time over theirs says what the scheme adds, on a slow machine as on a fast one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from protocol.content.cid import cid_of
from protocol.encryption.committee import subsets, subsets_without
from protocol.encryption.fe64.encoding import BLOCK_WORDS
from protocol.encryption.fe64.gaussian import NOISE_STREAM_BYTES
from protocol.encryption.fe64.ring import STREAM_BYTES
from protocol.encryption.pad.encoding import BLOCK, RESERVE
from protocol.encryption.suite import PAD
from protocol.encryption.workers import in_parts
from protocol.streams import KeyStream

if TYPE_CHECKING:
    from scripts.bench.ours import System


@dataclass(frozen=True)
class Stream:
    """One AES key schedule, and the bytes that are read of it, piece by piece."""

    key_bytes: int
    pieces: tuple[int, ...]

    @property
    def size(self) -> int:
        return sum(self.pieces)


def client_streams(system: System, dimension: int) -> list[Stream]:
    """Of one encryption: FE64 expands its keys, and for every block of the body public elements and noise."""
    m, t = system.m, system.t
    if system.suite == PAD:
        return [_pad_stream(system.packing, dimension)] * len(subsets(m, t))
    blocks = -(-dimension // (system.packing * BLOCK_WORDS))
    public, noise = Stream(16, (STREAM_BYTES,) * blocks), Stream(32, (NOISE_STREAM_BYTES,) * blocks)
    return [Stream(32, (STREAM_BYTES,))] * len(subsets(m, t)) + [public, noise]


def authority_streams(system: System, clients: int, dimension: int) -> list[Stream]:
    """Of one partial key: the expansion of every key that the authority holds."""
    held = clients * len(subsets_without(system.m, system.t, 1))
    one = _pad_stream(system.packing, dimension) if system.suite == PAD else Stream(32, (STREAM_BYTES,))
    return [one] * held


def _pad_stream(width: int, dimension: int) -> Stream:
    counts = [min(BLOCK, dimension - start) for start in range(0, dimension, BLOCK)]
    return Stream(32, tuple(width * (count + RESERVE) for count in counts))


def make(streams: Sequence[Stream]) -> None:
    """All of them, in a thread for each processor."""
    in_parts(lambda start, end: _make(streams[start:end]), len(streams), 1)


def make_and_digest(streams: Sequence[Stream], body: bytes, block_bytes: int) -> None:
    """All streams in one thread, and the content digest of ``body``."""
    _make(streams)
    cid_of(body, block_bytes)


def _make(streams: Sequence[Stream]) -> None:
    target = np.empty(max(max(stream.pieces) for stream in streams), np.uint8)
    for stream in streams:
        source = KeyStream(bytes(stream.key_bytes))
        for size in stream.pieces:
            source.fill(target[:size])
