"""Answers of key authorities that are not what they should be, under either suite.

With exactly t answers a lie that is not chosen makes the sum uniform; a chosen one moves what it likes. From t + 1
answers on every lie is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from protocol.errors import EncryptionError, MalformedError, Party
from tests.attacks.encryption.played_round import MISMATCH, SETTINGS, Round
from tests.oracles.fe64 import Q
from tests.oracles.pad import PRIME_OF_WIDTH

D = 10_000  # more than a block of either suite
every_suite = pytest.mark.parametrize("name", SETTINGS)


def _reordered(played: Round) -> bytes:
    """Two stretches of words, for FE64 under one prime, in each other's place."""
    answer, size = played.partials[2], 2048 * (4 if played.name == "fe64" else played.encoding.packing)
    return answer[size : 2 * size] + answer[:size] + answer[2 * size :]


LIES: Mapping[str, Callable[[Round], bytes]] = {
    "of another round": lambda played: replace(played, number=2).partials[2],
    "of another label with its nonces": lambda played: replace(played, relabelled=1).partials[2],
    "of another epoch": lambda played: replace(played, epoch=1).partials[2],
    "for a smaller set": lambda played: played.partial(2, clients=(0, 2)),
    "of authority 1, shown as that of 2": lambda played: played.partials[1],
    "of authority 3, shown as that of 2": lambda played: played.partials[3],
    "all zero": lambda played: bytes(len(played.partials[2])),
    "reordered": _reordered,
}


@every_suite
def test_another_size_is_refused(name: str) -> None:
    played = Round(name, D)
    answers = played.partials
    for changed in (b"", answers[2][:-1], answers[2] + b"\0", answers[2][:-12], 2 * answers[2]):
        with pytest.raises(MalformedError) as caught:
            played.combine({1: answers[1], 2: changed})
        assert caught.value.fault is Party.KEY_AUTHORITY


@every_suite
def test_a_word_that_is_not_below_its_modulus_is_refused(name: str) -> None:
    """Otherwise one share would have several encodings, and a signature over one could be disowned by another."""
    played = Round(name, D)
    answers, width = played.partials, 4 if name == "fe64" else played.encoding.packing
    modulus = Q[0] if name == "fe64" else PRIME_OF_WIDTH[width]
    for word in (modulus, 2 ** (8 * width) - 1):
        changed = word.to_bytes(width, "little") + answers[2][width:]
        with pytest.raises(MalformedError) as caught:
            played.combine({1: answers[1], 2: changed})
        assert caught.value.fault is Party.KEY_AUTHORITY


@every_suite
@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_does_not_belong_here(name: str, lie: str) -> None:
    played = Round(name, D)
    wrong = LIES[lie](played)
    with pytest.raises(EncryptionError) as caught:
        played.decrypt(quorum={1: played.partials[1], 2: wrong})
    assert caught.value.code in (MISMATCH[name], "E_RANGE")  # residues may be a multiple of the last prime apart
    with pytest.raises(EncryptionError) as caught:
        played.combine(played.partials | {2: wrong})
    assert (caught.value.code, caught.value.fault) == ("E_SHARE_INCONSISTENT", Party.KEY_AUTHORITY)


@every_suite
def test_a_single_bit_is_seen_by_one_answer_more(name: str) -> None:
    played = Round(name, D)
    for at in (0, len(played.partials[3]) // 2, len(played.partials[3]) - 4):
        for j in (1, 2, 3):
            changed = bytearray(played.partials[j])
            changed[at] ^= 1
            with pytest.raises(EncryptionError, match="E_SHARE_INCONSISTENT"):
                played.combine(played.partials | {j: bytes(changed)})


@pytest.mark.parametrize("name", ["pad 4", "pad 6"])
def test_a_chosen_lie_moves_one_coordinate_and_only_one_answer_more_tells(name: str) -> None:
    """PAD/1 whatever the dimension; ``test_wrong_limb.py`` does it to FE64 sums of one block."""
    played, width = Round(name, D), SETTINGS[name][1]
    p, answer = PRIME_OF_WIDTH[width], played.partials[2]
    at = 77 * width
    word = (int.from_bytes(answer[at : at + width], "little") + 1000) % p  # its weight at 0 is -1: the sum gains 1000
    lied = answer[:at] + word.to_bytes(width, "little") + answer[at + width :]
    decrypted = played.decrypt(quorum={1: played.partials[1], 2: lied})
    assert {i: a - b for i, (a, b) in enumerate(zip(decrypted, played.expected, strict=True)) if a != b} == {77: 1000}
    with pytest.raises(EncryptionError, match="E_SHARE_INCONSISTENT"):
        played.combine(played.partials | {2: lied})


@every_suite
def test_fewer_than_t_answers_open_nothing(name: str) -> None:
    played = Round(name, 500)
    with pytest.raises(EncryptionError, match="E_SHARES"):
        played.decrypt(quorum={1: played.partials[1]})
    for alone in (1, 2, 3):  # used as if it were the key
        running = played.scheme.aggregator(played.encoding, 500)
        running.fold_all(played.bodies, (2, 3, 4))
        with pytest.raises(EncryptionError, match=MISMATCH[name]):
            played.scheme.decrypt(running.words, played.label, played.partials[alone], played.encoding, 500, (2, 3, 4))


@every_suite
def test_t_authorities_open_any_single_update(name: str) -> None:
    """The limit of the whole design: nothing but their own rules keeps t of them from it."""
    played = Round(name, 500)
    alone = {j: played.partial(j, clients=(1,)) for j in (1, 3)}
    decrypted = played.decrypt(bodies=[played.body(1)], weights=[3], quorum=alone)
    assert decrypted == (3 * played.values(1)).tolist()


@every_suite
@pytest.mark.parametrize("j", [0, 4, -1])
def test_an_authority_beyond_the_committee_is_refused(name: str, j: int) -> None:
    """Number 0 would be the key itself."""
    played = Round(name, 500)
    with pytest.raises(EncryptionError, match="E_PARAMS"):
        played.combine({1: played.partials[1], j: played.partials[2]})
