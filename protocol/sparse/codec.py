"""Bytes of index sets and sums: fixed width, little-endian, one encoding each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.errors import MalformedError, Party


def encode_index_set(indices: npt.NDArray[np.uint32]) -> bytes:
    return indices.astype("<u4").tobytes()


def decode_index_set(data: bytes, dimension: int) -> npt.NDArray[np.uint32]:
    """Strictly ascending, below ``dimension``, not empty. Raises MalformedError."""
    if not data or len(data) % 4 or len(data) > 4 * dimension:
        raise MalformedError(f"an index set of {len(data)} bytes", fault=Party.EDGE_SERVER)
    indices = np.frombuffer(data, dtype="<u4").astype(np.uint32)
    if indices[-1] >= dimension or bool((indices[1:] <= indices[:-1]).any()):
        raise MalformedError("index set not ascending or out of range", fault=Party.EDGE_SERVER)
    return indices


def encode_sums(sums: npt.NDArray[np.int64]) -> bytes:
    return sums.astype("<i8").tobytes()


def decode_sums(data: bytes, count: int) -> npt.NDArray[np.int64]:
    """Exactly ``count`` sums. Raises MalformedError."""
    if len(data) != 8 * count:
        raise MalformedError(f"{len(data)} bytes where {count} sums take {8 * count}", fault=Party.EDGE_SERVER)
    return np.frombuffer(data, dtype="<i8").astype(np.int64)
