"""The arithmetic of screening modulo p = 2^48 - 59, in plain numpy for a little and by compiled loops for more."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from protocol.encryption.graded import Graded
from protocol.encryption.pad.encoding import MODULI, PadEncoding, Words, unpack_words
from protocol.encryption.pad.reference import Reference as PadReference
from protocol.encryption.pad.suite import Arithmetic as PadArithmetic
from protocol.encryption.port import Body

WIDTH: Final = 6  # bytes of a word: with 4, histories do not fit, and a wrapped norm escapes too often
MODULUS: Final = MODULI[WIDTH]
WORDS: Final = PadEncoding(16, WIDTH)  # the bits do not matter: only words modulo p are made with it

Integers = npt.NDArray[np.int64]
Places = npt.NDArray[np.uint8]  # shape (4, d): see :mod:`protocol.screening.sketch`
TABLE: Final = 4 * 256  # one entry for each block and place
SEGMENT: Final = 8192  # coordinates between two folds: 2^13 words below 2^49 in size add up to less than 2^63


class Loops(Protocol):
    """What is worth compiling beside the suite's own loops."""

    def spread(self, places: Places, values: Integers) -> Integers:
        """Shape (1024,): the sum of the values at each of the 256 places of each block, congruent modulo p and below
        2^50 in size. Values are below 2^49 in size."""
        ...

    def accumulate(self, total: Words, words: Words) -> None:
        """Adds words to ``total``, in place; all below p."""
        ...

    def absorb(self, body: Body, share: Words, weight: int, sum_key: Words) -> Words:
        """The words of a body of 6 bytes each minus ``share``, below p; and adds ``weight`` (0..255) times the share to
        ``sum_key``, in place, below p."""
        ...


class Reference:
    """``Loops`` in plain numpy."""

    def spread(self, places: Places, values: Integers) -> Integers:
        # floats add 24 bits at a time exactly: 2^24 times any dimension of a plan stays below 2^53
        low, high = (values & 0xFFFFFF).astype(np.float64), (values >> 24).astype(np.float64)
        table = np.zeros(TABLE, np.int64)
        for block, chosen in enumerate(places):
            part = slice(256 * block, 256 * (block + 1))
            lower = np.bincount(chosen, low, 256).astype(np.int64)
            upper = np.bincount(chosen, high, 256).astype(np.int64) % MODULUS
            for _ in range(3):
                upper = (upper << 8) % MODULUS
            table[part] = (lower + upper) % MODULUS
        return table

    def accumulate(self, total: Words, words: Words) -> None:
        total += words
        total -= np.where(total >= MODULUS, np.uint64(MODULUS), np.uint64(0))

    def absorb(self, body: Body, share: Words, weight: int, sum_key: Words) -> Words:
        sum_key += share * np.uint64(weight)
        sum_key %= np.uint64(MODULUS)
        return (unpack_words(body, WIDTH) + np.uint64(MODULUS) - share) % np.uint64(MODULUS)


def _loops() -> Loops:
    from protocol.screening.compiled import Compiled  # not above: numba takes a second or two to import

    return Compiled()


def _pad() -> PadArithmetic:
    from protocol.encryption.pad.compiled import Compiled

    return Compiled()


_LOOPS: Final[Graded[Loops]] = Graded(Reference(), _loops)
_PAD: Final[Graded[PadArithmetic]] = Graded(PadReference(), _pad)


def loops(words: int) -> Loops:
    """For work on so many words."""
    return _LOOPS.for_words(words)


def pad_arithmetic(words: int) -> PadArithmetic:
    """Key streams, shares and interpolation of ``PAD/1``, for work on so many words."""
    return _PAD.for_words(words)


def prepare(words: int) -> None:
    """Loads what work on so many words needs, compiling it on a machine that never did."""
    loops(words)
    pad_arithmetic(words)


def residues(values: Integers) -> Words:
    """Below p."""
    return (values % MODULUS).astype(np.uint64)


def centred(words: Words) -> Integers:
    """Words below p as integers in ±p/2."""
    values = words.astype(np.int64)
    return np.where(values > MODULUS // 2, values - MODULUS, values)
