"""Bytes of sums: fixed width, little-endian, one encoding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.errors import MalformedError, Party


def encode_sums(sums: npt.NDArray[np.int64]) -> bytes:
    return sums.astype("<i8").tobytes()


def decode_sums(data: bytes, count: int) -> npt.NDArray[np.int64]:
    """Exactly ``count`` sums. Raises MalformedError."""
    if len(data) != 8 * count:
        raise MalformedError(f"{len(data)} bytes where {count} sums take {8 * count}", fault=Party.EDGE_SERVER)
    return np.frombuffer(data, dtype="<i8").astype(np.int64)
