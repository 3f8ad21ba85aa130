"""Key streams: AES in counter mode, from any block on."""

from __future__ import annotations

from typing import Any, Final

import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

AES_BLOCK: Final = 16
_ZEROS: Final = memoryview(bytes(1 << 16))


class KeyStream:
    """AES-CTR under ``key`` (16 or 32 bytes), the counter big-endian from 0; read on from byte ``offset``, a multiple
    of 16."""

    def __init__(self, key: bytes, offset: int = 0) -> None:
        counter = (offset // AES_BLOCK).to_bytes(AES_BLOCK, "big")
        self._encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()

    def read(self, size: int) -> bytes:
        return self._encryptor.update(bytes(size))

    def fill(self, target: npt.NDArray[Any]) -> None:
        """The next bytes, as many as ``target`` has: at most 65,536."""
        self._encryptor.update_into(_ZEROS[: target.nbytes], target.data.cast("B"))


def ctr_stream(key: bytes, size: int, offset: int = 0) -> bytes:
    return KeyStream(key, offset).read(size)
