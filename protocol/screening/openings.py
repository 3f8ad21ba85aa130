"""What anybody opens from the authorities' answers: integers, from 2 t - 1 of them.

Answers lie on a polynomial of degree 2 (t - 1): 2 t of them show a lie, 2 t + 1 name one liar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from protocol.encryption.agreement import liars
from protocol.encryption.pad.encoding import Words, pack_words
from protocol.encryption.pad.sharing import lagrange_factors
from protocol.encryption.shares import interpolate_agreed
from protocol.errors import MalformedError, Party
from protocol.screening.arithmetic import MODULUS, WIDTH, WORDS, Integers, centred, pad_arithmetic


def needed(t: int) -> int:
    """How many answers open something."""
    return 2 * t - 1


def packed_answer(words: Words) -> bytes:
    """An answer's one encoding: 6 bytes a word, little-endian."""
    return pack_words(words, WIDTH)


def opened(answers: Mapping[int, bytes], m: int, t: int, count: int) -> Integers:
    """The ``count`` integers, centred modulo p, on which all answers (authority number -> words) agree.

    Raises EncryptionError ``E_SHARES`` (fewer than 2 t - 1), ``E_SHARE_INCONSISTENT`` (one lies), ``E_PARAMS``;
    MalformedError (fault: key authority).
    """
    shares = {j: _decoded(data, count) for j, data in answers.items()}

    def value_at(given: Mapping[int, Words], points: Sequence[int], x: int) -> Words:
        factors = lagrange_factors(points, x, MODULUS)
        return pad_arithmetic(count * len(points)).scaled_sum([given[j] for j in points], factors, WORDS)

    return centred(interpolate_agreed(shares, m, needed(t), value_at))


def opening_liars(answers: Mapping[int, bytes], m: int, t: int, count: int) -> tuple[int, ...]:
    """Authorities whose answers are not what all others agree on; nobody where that is open."""
    return liars(answers, needed(t), partial(_agreed, m=m, t=t, count=count))


def _agreed(answers: Mapping[int, bytes], m: int, t: int, count: int) -> bytes:
    return opened(answers, m, t, count).tobytes()


def _decoded(data: bytes, count: int) -> Words:
    if len(data) != WIDTH * count:
        raise MalformedError(f"an answer of {len(data)} bytes, {WIDTH * count} expected", fault=Party.KEY_AUTHORITY)
    words = pad_arithmetic(count).unpacked(data, WORDS)
    if int(words.max(initial=np.uint64(0))) >= MODULUS:
        raise MalformedError("an answer's word is not below the modulus", fault=Party.KEY_AUTHORITY)
    return words
