"""How centred integers become words modulo a prime, and the budget within which weighted sums stay exact (7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.port import Encoding, largest_value
from protocol.encryption.weights import check_weights
from protocol.errors import EncryptionError

BLOCK: Final = 8192  # coordinates
RESERVE: Final = 8  # words of the key stream after each block
EXCESS: Final = {4: 5, 6: 59}
MODULI: Final[dict[int, int]] = {width: 2 ** (8 * width) - excess for width, excess in EXCESS.items()}  # both prime

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class PadEncoding:
    """``bits`` (b) per coordinate, each a word of ``packing`` (w) bytes, 4 or 6."""

    bits: int
    packing: int

    def __post_init__(self) -> None:
        if self.packing not in MODULI or self.bits < 2 or 2 * self.largest >= self.modulus:
            raise EncryptionError(f"{self.bits} bits do not fit {self.packing} bytes", code="E_PARAMS")

    @property
    def modulus(self) -> int:
        return MODULI[self.packing]

    @property
    def excess(self) -> int:
        """The modulus is 2^(8 w) - excess."""
        return EXCESS[self.packing]

    @property
    def largest(self) -> int:
        return largest_value(self.bits)

    @property
    def block_bytes(self) -> int:
        return BLOCK * self.packing

    def body_bytes(self, dimension: int) -> int:
        return self.packing * dimension

    def functional_key_bytes(self, dimension: int) -> int:
        return self.packing * dimension

    def check_budget(self, weights: Sequence[int]) -> None:
        check_weights(weights)
        if 2 * sum(weights) * self.largest >= self.modulus:
            raise EncryptionError(f"the sum of weights {sum(weights)} overflows a word", code="E_BUDGET")

    def block_coordinates(self, block: int, dimension: int) -> npt.NDArray[np.int64]:
        return np.arange(BLOCK * block, min(BLOCK * (block + 1), dimension), dtype=np.int64)


def own_encoding(encoding: Encoding) -> PadEncoding:
    """Raises EncryptionError ``E_PARAMS`` for the encoding of another suite."""
    if not isinstance(encoding, PadEncoding):
        raise EncryptionError("the encoding is of another suite", code="E_PARAMS")
    return encoding


def pack_words(words: Words, width: int) -> bytes:
    """Words below 2^(8 width), ``width`` bytes little-endian each."""
    item = np.dtype("<u4") if width == 4 else np.dtype("<u2")
    columns = words.astype("<u8", copy=False).view(item).reshape(-1, 8 // item.itemsize)
    return columns[:, : width // item.itemsize].tobytes()


def unpack_words(data: bytes | memoryview, width: int) -> Words:
    """Inverse of :func:`pack_words`."""
    padded = np.zeros((len(data) // width, 8), np.uint8)
    padded[:, :width] = np.frombuffer(data, np.uint8).reshape(-1, width)
    return padded.view("<u8").astype(np.uint64).reshape(-1)
