"""The sketch S of a round: four stacked count-sketches, drawn from the beacon. Linear, public, and much shorter.

Byte x of block b for coordinate j adds value j to row 128 b + (x & 127), negated if x >= 128. The squared norm of a
sketch is four times the vector's in the mean, so is every inner product; blocks count by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.encryption.pad.encoding import Words, pack_words, unpack_words
from protocol.errors import EncryptionError, Party
from protocol.identifiers import Digest, sha256
from protocol.screening.arithmetic import MODULUS, WIDTH, Integers, Places, centred, loops, residues
from protocol.streams import ctr_stream

BLOCKS: Final = 4
BLOCK_ROWS: Final = 128
ROWS: Final = BLOCKS * BLOCK_ROWS
SKETCH_BYTES: Final = WIDTH * ROWS
_KEY: Final = b"PADG/S/1"


@dataclass(frozen=True, eq=False)
class Sketch:
    places: Places  # shape (4, d): the byte x of each block and coordinate; read-only

    @property
    def dimension(self) -> int:
        return int(self.places.shape[1])

    def at(self, coordinates: npt.NDArray[np.int64]) -> Sketch:
        """Of vectors that hold these coordinates alone: a sparse round's, in the order of its index set."""
        return Sketch(np.ascontiguousarray(self.places[:, coordinates]))

    def of_words(self, words: Words) -> Words:
        """S words modulo p, shape (512,). Words below 2^49: of ciphertexts, pads, or a sum of two."""
        return self._rows(words.view(np.int64))

    def of_difference(self, words: Words, others: Words) -> Words:
        """S (words - others) modulo p; both below p."""
        return self._rows(words.view(np.int64) - others.view(np.int64))

    def of_integers(self, values: Integers) -> Integers:
        """S values exactly, shape (512,). Raises EncryptionError ``E_RANGE`` where that could pass ±p/2."""
        largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
        if 2 * largest * len(values) >= MODULUS:
            raise EncryptionError("the values are too large for an exact sketch", code="E_RANGE")
        return centred(self._rows(values))

    def _rows(self, values: Integers) -> Words:
        if values.shape != (self.dimension,):
            raise EncryptionError(f"{values.shape} values where {self.dimension} are sketched", code="E_PARAMS")
        table = loops(BLOCKS * self.dimension).spread(self.places, values).reshape(BLOCKS, 2, BLOCK_ROWS)
        return residues((table[:, 0] - table[:, 1]).reshape(ROWS))


def sketch_of(beacon: Digest, dimension: int) -> Sketch:
    """AES-128-CTR under SHA-256("PADG/S/1" || beacon)[0:16] from counter 0: d bytes for each of the four blocks."""
    if len(beacon) != 32 or dimension < 1:
        raise EncryptionError("a sketch takes a beacon of 32 bytes and at least one coordinate", code="E_PARAMS")
    drawn = ctr_stream(sha256(_KEY + beacon)[:16], BLOCKS * dimension)
    return Sketch(np.frombuffer(drawn, np.uint8).reshape(BLOCKS, dimension))


def attested_sketch(claims: Mapping[int, bytes], t: int) -> Words:
    """S c_i that t different authorities computed and signed alike. ``claims``: authority number -> packed words.

    Fewer could all be corrupt. Raises EncryptionError ``E_SKETCH_BYTES``: fewer, or they differ.
    """
    different = set(claims.values())
    if len(claims) < t or len(different) != 1:
        raise _refused(f"{len(claims)} authorities say {len(different)} sketches where {t} must say one")
    (data,) = different
    words = unpack_words(data, WIDTH) if len(data) == SKETCH_BYTES else np.zeros(0, np.uint64)
    if len(words) != ROWS or int(words.max()) >= MODULUS:
        raise _refused("a sketch is not 512 words below the modulus")
    return words


def packed_sketch(words: Words) -> bytes:
    return pack_words(words, WIDTH)


def _refused(message: str, fault: Party = Party.KEY_AUTHORITY) -> EncryptionError:
    return EncryptionError(message, code="E_SKETCH_BYTES", fault=fault)
