"""Ciphertexts that are not what they should be, under either suite: the wrong bytes, place, label, keys, set, weight.

A change of bytes is the content digest's to notice. What was honestly stored and does not belong to this sum makes the
sum uniform, and opening it is refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from protocol.content.cid import cid_of
from protocol.errors import EncryptionError, HearthError, MalformedError, Party
from protocol.screening.verdict import Unfit, decide, judged_by_size
from storage.content.interface import ContentCorruptError, get_document
from storage.content.memory import MemoryStore
from tests.attacks.encryption.played_round import MISMATCH, SETTINGS, WEIGHTS, Round
from tests.oracles.fe64 import T
from tests.oracles.pad import PRIME_OF_WIDTH
from tests.unit.backend.key_authority.scene import CLIENTS

LONG = 20_000  # two whole blocks and a part of one
every_suite = pytest.mark.parametrize("name", SETTINGS)


def refused(played: Round, code: str, **changes: object) -> None:
    with pytest.raises(EncryptionError) as caught:
        played.decrypt(**changes)  # type: ignore[arg-type]
    assert caught.value.code == code


@every_suite
def test_the_honest_round_opens(name: str) -> None:
    for dimension in (1, 7, LONG):
        played = Round(name, dimension)
        assert played.decrypt() == played.expected


@every_suite
def test_another_length_is_refused_and_adds_nothing(name: str) -> None:
    played = Round(name, LONG)
    body, block = played.body(1), played.encoding.block_bytes
    running = played.scheme.aggregator(played.encoding, LONG)
    running.fold(played.body(0), 2)
    before = running.words.tolist()
    for changed in (
        b"",
        body[:-1],
        body[:-8],
        body[:-block],
        body[block:],
        body + b"\0",
        body + body[:block],
        2 * body,
    ):
        with pytest.raises(MalformedError) as caught:
            running.fold(changed, 3)
        assert (caught.value.code, caught.value.fault) == ("E_MALFORMED", Party.CLIENT)
    assert running.words.tolist() == before


def moved(played: Round, body: bytes, coordinate: int, by: int) -> bytes:
    """Adds ``by`` to one coordinate without any key: ciphertexts are linear, so anybody can."""
    width = 8 if played.name == "fe64" else played.encoding.packing
    unit, modulus = (2**64, T) if played.name == "fe64" else (1, 1)
    ring = 2**64 if played.name == "fe64" else PRIME_OF_WIDTH[width]
    word = int.from_bytes(body[width * coordinate : width * (coordinate + 1)], "little")
    changed = (word + (by * unit + modulus // 2) // modulus) % ring
    return body[: width * coordinate] + changed.to_bytes(width, "little") + body[width * (coordinate + 1) :]


@every_suite
def test_a_changed_ciphertext_opens_and_only_its_digest_tells(name: str) -> None:
    """The naive server adds what it fetched; one coordinate is moved, and neither noise nor range shows it."""
    played = Round(name, LONG)
    body = moved(played, played.body(1), 1001, 500)
    decrypted = played.decrypt(bodies=[played.body(0), body, played.body(2)])
    differences = {i: a - b for i, (a, b) in enumerate(zip(decrypted, played.expected, strict=True)) if a != b}
    assert differences == {1001: 500 * WEIGHTS[1]}

    store, block = MemoryStore(), played.encoding.block_bytes
    cid = store.put(played.body(1), block)
    assert get_document(store, cid.digest, len(body), block) == played.body(1)
    for at in (None, 0, len(body) // 2, len(body) - 1):
        changed = bytearray(body if at is None else played.body(1))
        if at is not None:
            changed[at] ^= 1
        store.objects[cid.text] = bytes(changed)
        with pytest.raises(ContentCorruptError):
            get_document(store, cid.digest, len(body), block)


@every_suite
def test_reordered_blocks_do_not_open(name: str) -> None:
    played = Round(name, LONG)
    body, block = played.body(1), played.encoding.block_bytes
    swapped = body[block : 2 * block] + body[:block] + body[2 * block :]
    assert len(swapped) == len(body)
    assert swapped != body
    refused(played, MISMATCH[name], bodies=[played.body(0), swapped, played.body(2)])
    assert cid_of(swapped, block).digest != cid_of(body, block).digest


@every_suite
@pytest.mark.parametrize(
    "other",
    [{"number": 2}, {"relabelled": 1}, {"epoch": 1}, {"number": 2, "epoch": 1}],
    ids=["of another round", "of another label with its nonces", "of other keys", "of both"],
)
def test_a_ciphertext_of_another_round_or_epoch_does_not_open(name: str, other: dict[str, int]) -> None:
    """Replayed whole: right length, honestly made, and uniform under this round's key."""
    played = Round(name, 500)
    foreign = replace(played, **other)  # type: ignore[arg-type]
    refused(played, MISMATCH[name], bodies=[foreign.body(0), played.body(1), played.body(2)])
    refused(played, MISMATCH[name], bodies=foreign.bodies)


@every_suite
def test_everything_of_one_round_opened_as_another(name: str) -> None:
    played = Round(name, 500)
    if name == "fe64":
        refused(played, "E_RESIDUAL", label=replace(played, number=2).label)
    refused(played, MISMATCH[name], quorum={j: replace(played, number=2).partials[j] for j in (1, 2)})


@every_suite
def test_garbage_of_the_right_length_kills_the_sum_and_is_not_traced(name: str) -> None:
    """A limit: whichever client sent it, the same error comes, and no sum without it is decrypted under its label."""
    played, errors = Round(name, 500), set()
    garbage = np.random.default_rng(8).bytes(len(played.body(0)))
    for sender in range(3):
        with pytest.raises(EncryptionError) as caught:
            played.decrypt(bodies=[garbage if i == sender else played.body(i) for i in range(3)])
        errors.add(str(caught.value))
    assert len(errors) == 1


@every_suite
def test_a_copy_of_anothers_ciphertext_does_not_open(name: str) -> None:
    """The thief's pad or mask is not the victim's: nothing is learnt, and the copy is not counted."""
    played = Round(name, 500)
    refused(played, MISMATCH[name], bodies=[played.body(1), played.body(1), played.body(2)])
    refused(played, MISMATCH[name], bodies=[played.body(1), played.body(0), played.body(2)])


@every_suite
def test_the_key_opens_its_own_set_and_weights_alone(name: str) -> None:
    played = Round(name, 500)
    first, second, third = played.bodies
    refused(played, MISMATCH[name], bodies=[first, second], weights=WEIGHTS[:2])
    refused(played, MISMATCH[name], bodies=[first], weights=WEIGHTS[:1])
    refused(played, MISMATCH[name], bodies=[first, second, third, first], weights=(*WEIGHTS, 2))
    refused(played, MISMATCH[name], weights=(3, 3, 4))
    refused(played, MISMATCH[name], weights=(2, 4, 3))


@every_suite
def test_the_verdict_of_hostile_bodies(name: str) -> None:
    """Present and of another length is the client's fault; missing or changed on the way is nobody's."""
    played = Round(name, 500)
    size = len(played.body(0))
    found = (judged_by_size(size, size), judged_by_size(size - 1, size), Unfit.CORRUPT)
    verdict = decide(played.label, dict(zip(CLIENTS, found, strict=True)))
    assert verdict.accepted == (CLIENTS[0],)
    assert [entry.client for entry in verdict.rejected] == list(CLIENTS[1:])


@every_suite
@pytest.mark.parametrize("weight", [0, -1, 256, True, 1.0])
def test_weights_that_are_none(name: str, weight: int) -> None:
    played = Round(name, 7)
    running = played.scheme.aggregator(played.encoding, 7)
    with pytest.raises(HearthError) as caught:
        running.fold(played.body(0), weight)
    assert caught.value.code == "E_WEIGHT"


@every_suite
def test_the_largest_words_of_many_clients_do_not_overflow_the_sum(name: str) -> None:
    """PAD/1 takes words of p and more as what they are congruent to; 600 of them at weight 255 still add up exactly."""
    played, many = Round(name, 50), 600
    body, width = b"\xff" * len(played.body(0)), 8 if name == "fe64" else played.encoding.packing
    modulus = 2**64 if name == "fe64" else PRIME_OF_WIDTH[width]
    together, one_by_one = (played.scheme.aggregator(played.encoding, 50) for _ in range(2))
    together.fold_all([body] * many, [255] * many)
    for _ in range(many):
        one_by_one.fold(body, 255)
    assert set(together.words.tolist()) == set(one_by_one.words.tolist())
    assert set(together.words.tolist()) == {(2 ** (8 * width) - 1) * 255 * many % modulus}
