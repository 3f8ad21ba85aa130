"""Key streams: AES in counter mode, from any block on."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

AES_BLOCK: Final = 16


def ctr_stream(key: bytes, size: int, offset: int = 0) -> bytes:
    """Bytes ``offset`` to ``offset + size`` of AES-CTR under ``key`` (16 or 32 bytes), the counter big-endian from 0.

    ``offset`` is a multiple of 16.
    """
    counter = (offset // AES_BLOCK).to_bytes(AES_BLOCK, "big")
    return Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update(bytes(size))
