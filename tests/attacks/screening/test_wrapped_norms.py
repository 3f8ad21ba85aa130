"""A client whose norm wraps modulo p to something small: one norm lets it through, four blocks do not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocol.encryption.pad.encoding import MODULI
from protocol.identifiers import sha256
from protocol.screening.norms import within_norms
from protocol.screening.sketch import sketch_of

B = 2**13


def block_squares(values: npt.NDArray[np.int64], drawn: bytes) -> list[int]:
    rows = sketch_of(drawn, len(values)).of_integers(values).reshape(4, 128).astype(object)
    return [int(square) for square in (rows * rows).sum(axis=1)]


def centred(norms: list[int], p: int) -> npt.NDArray[np.int64]:
    return np.array([(norm + p // 2) % p - p // 2 for norm in norms], np.int64)


def test_words_of_four_bytes_let_two_of_five_escape_by_one_norm_and_none_by_four() -> None:
    """Of the length for which the sketch's norm is p in the mean: 16 times the bound."""
    p, rng, one, four = MODULI[4], np.random.default_rng(1), 0, 0
    for trial in range(300):
        direction = rng.normal(size=2000)
        values = np.rint(direction * (p / 4) ** 0.5 / np.linalg.norm(direction)).astype(np.int64)
        norms = block_squares(values, sha256(b"%d" % trial))
        total = centred([sum(norms)], p)[0]
        one += bool(0 <= total <= 5 * B**2)
        four += within_norms(centred(norms, p), B)[0]
    assert 0.3 < one / 300 < 0.5
    assert four == 0


def test_words_of_six_bytes_name_even_whom_luck_helps() -> None:
    """A multiple of one vector, chosen with the sketch known, whose whole norm wraps to almost nothing."""
    p, drawn = MODULI[6], sha256(b"late beacon")
    norms = block_squares(np.random.default_rng(2).integers(-99, 100, 500), drawn)
    whole = sum(norms)
    factor = next(f for f in range(2**13, 2**24) if f * f * whole % p <= 5 * B**2)
    assert factor**2 * whole > p
    blocks = centred([factor**2 * norm for norm in norms], p)
    assert 0 <= factor**2 * whole % p <= 5 * B**2
    assert within_norms(blocks, B) == [False]
