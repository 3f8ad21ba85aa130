"""Any t of m authorities make the same key, up to (7, 3) and (7, 4); those who lie are found out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from protocol.encryption.agreement import liars
from protocol.encryption.committee import authority_share, draw_master_keys
from protocol.encryption.port import Encoding, Suite
from protocol.encryption.suite import FE64, PAD, suite
from protocol.errors import EncryptionError
from protocol.randomness import SeededRandomness

COMMITTEES = [(m, t) for m in range(2, 8) for t in range(2, min(m, 4) + 1)]
PACKING = {FE64: (2,), PAD: (4, 6)}
SUITES = [(name, packing) for name, packings in PACKING.items() for packing in packings]
LABEL, DIMENSION, WEIGHTS = bytes(range(32)), 5, (3, 7)
VALUES = [np.arange(DIMENSION, dtype=np.int64) * sign - 2 for sign in (1, -4)]


class Round:
    """Two clients' ciphertexts and the answers of all m authorities."""

    def __init__(self, name: str, packing: int, m: int, t: int) -> None:
        self.scheme: Suite = suite(name)
        self.encoding: Encoding = self.scheme.encoding_for(16, packing)
        self.m, self.t = m, t
        randomness = SeededRandomness(b"committees")
        keys = [draw_master_keys(randomness, m, t, f"client {i}") for i in range(2)]
        nonces = [bytes([i]) * 16 for i in range(2)]
        self.partials = {}
        for j in range(1, m + 1):
            entries = [(authority_share(keys[i], j), nonces[i], WEIGHTS[i]) for i in range(2)]
            self.partials[j] = self.scheme.partial_key(j, m, t, LABEL, entries, self.encoding, DIMENSION)
        running = self.scheme.aggregator(self.encoding, DIMENSION)
        for i in range(2):
            body = self.scheme.encrypt(keys[i], LABEL, nonces[i], VALUES[i], self.encoding, bytes(32))
            running.fold(body, WEIGHTS[i])
        self.words = running.words

    def combine(self, partials: Mapping[int, bytes]) -> bytes:
        return self.scheme.combine(partials, self.m, self.t, self.encoding, DIMENSION)

    def lied(self, *numbers: int, of: int) -> dict[int, bytes]:
        """The first ``of`` answers; each liar has changed another bit."""
        partials = {j: self.partials[j] for j in range(1, of + 1)}
        for place, j in enumerate(numbers):
            changed = bytearray(partials[j])
            changed[0] ^= 1 << place
            partials[j] = bytes(changed)
        return partials


round_of = cache(Round)


@pytest.mark.parametrize(("m", "t"), COMMITTEES)
@pytest.mark.parametrize(("name", "packing"), SUITES)
def test_any_t_of_m_make_the_same_key(name: str, packing: int, m: int, t: int) -> None:
    played = round_of(name, packing, m, t)
    chosen = [{j: played.partials[j] for j in members} for members in combinations(range(1, m + 1), t)]
    (key,) = {played.combine(partials) for partials in (*chosen, played.partials)}
    decrypted = played.scheme.decrypt(played.words, LABEL, key, played.encoding, DIMENSION, WEIGHTS)
    assert decrypted.sums.tolist() == (3 * VALUES[0] + 7 * VALUES[1]).tolist()
    with pytest.raises(EncryptionError, match="E_SHARES"):
        played.combine({j: played.partials[j] for j in range(1, t)})


@pytest.mark.parametrize(("m", "t"), [(4, 2), (7, 3), (7, 4)])
@pytest.mark.parametrize(("name", "packing"), SUITES)
def test_one_more_answer_shows_a_lie_and_two_more_name_the_liar(name: str, packing: int, m: int, t: int) -> None:
    played = round_of(name, packing, m, t)
    for liar in range(1, t + 2):
        told = played.lied(liar, of=t + 1)
        with pytest.raises(EncryptionError, match="E_SHARE_INCONSISTENT"):
            played.combine(told)
        assert liars(told, t, played.combine) == ()
        assert liars(played.lied(liar, of=t + 2), t, played.combine) == (liar,)
    assert liars(played.partials, t, played.combine) == ()


@pytest.mark.parametrize(("name", "packing"), SUITES)
def test_two_liars_take_four_answers_more(name: str, packing: int) -> None:
    played = round_of(name, packing, 7, 3)
    assert liars(played.lied(2, 5, of=7), 3, played.combine) == (2, 5)
    assert liars(played.lied(2, 5, of=6), 3, played.combine) == ()


def test_an_answer_that_is_no_key_is_a_lie() -> None:
    played = round_of(FE64, 2, 4, 2)
    for bad in (b"", played.partials[3][:-1], b"\xff" * len(played.partials[3])):
        assert liars({**played.partials, 3: bad}, 2, played.combine) == (3,)


def test_two_liars_together_frame_nobody_among_four() -> None:
    """They agree on a polynomial of their own through one honest answer: as many stand on either side."""
    played = round_of(PAD, 4, 7, 2)
    other = Round(PAD, 4, 7, 2)
    shifted = {j: played.partials[j] for j in (1, 2, 3)}
    words = {j: np.frombuffer(played.partials[j], "<u4").astype(np.int64) for j in (4, 5)}
    for j in (4, 5):  # plus (x - 1), which is zero at authority 1
        shifted[j] = ((words[j] + (j - 1)) % (2**32 - 5)).astype("<u4").tobytes()
    assert other.combine({j: shifted[j] for j in (1, 4, 5)})
    assert liars(shifted, 2, played.combine) == ()
