"""A sum is the same however its ciphertexts were divided among aggregators, and takes over nothing but such sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encryption.fe64.suite import Fe64
from protocol.encryption.graded import Graded
from protocol.encryption.pad.suite import Pad
from protocol.encryption.port import Aggregator, PartialSum, Suite
from protocol.encryption.suite import FE64, PAD, suite
from protocol.errors import EncryptionError

SETTINGS = {"fe64": (FE64, 2), "pad 4": (PAD, 4), "pad 6": (PAD, 6)}
DIMENSION = 37
every_suite = pytest.mark.parametrize("name", SETTINGS)


def _compiled(name: str) -> Suite:
    """With the compiled loops, which so few words would not call for."""
    scheme: Any = suite(name)
    loaded = scheme.arithmetic.load()
    return (Fe64 if name == FE64 else Pad)(Graded(loaded, lambda: loaded))


class Sums:
    """Bodies of one encoding, made of any bytes: a sum does not ask what they are."""

    def __init__(self, name: str, bodies: int, seed: int, compiled: bool = False) -> None:
        suite_name, packing = SETTINGS[name]
        self.scheme = _compiled(suite_name) if compiled else suite(suite_name)
        self.encoding, rng = self.scheme.encoding_for(8, packing), np.random.default_rng(seed)
        size = self.encoding.body_bytes(DIMENSION)
        self.bodies = [b"\xff" * size if rng.integers(4) == 0 else rng.bytes(size) for _ in range(bodies)]
        self.weights: list[int] = rng.choice([1, 2, 255], bodies).tolist()

    def aggregator(self, chosen: list[int]) -> Aggregator:
        running = self.scheme.aggregator(self.encoding, DIMENSION)
        running.fold_all([self.bodies[i] for i in chosen], [self.weights[i] for i in chosen])
        return running


@every_suite
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@given(data=st.data())
def test_any_split_and_any_order_of_merging_give_the_same_words(name: str, compiled: bool, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 9))
    sums = Sums(name, count, data.draw(st.integers(0, 2**32)), compiled)
    place = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    parts = [sums.aggregator([i for i in range(count) if place[i] == part]) for part in range(5)]
    while len(parts) > 1:
        taken = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        data.draw(st.sampled_from(parts)).merge(taken.partial)
    whole = sums.aggregator(list(range(count)))
    assert np.array_equal(parts[0].words, whole.words)
    assert sorted(parts[0].partial.weights) == sorted(whole.partial.weights) == sorted(sums.weights)


@every_suite
def test_a_merged_sum_goes_on_and_leaves_the_other_as_it_was(name: str) -> None:
    sums = Sums(name, 3, 1)
    first, second = sums.aggregator([0]), sums.aggregator([1])
    taken = second.partial
    first.merge(taken)
    first.fold(sums.bodies[2], sums.weights[2])
    assert np.array_equal(first.words, sums.aggregator([0, 1, 2]).words)
    assert np.array_equal(taken.words, sums.aggregator([1]).words)
    assert second.partial.weights == (sums.weights[1],)


def test_the_sum_of_many_merges_does_not_overflow() -> None:
    """More of the largest words than fit 64 bits; PAD/1 with 6 bytes has the largest."""
    sums, modulus = Sums("pad 6", 0, 2), 2**48 - 59
    running = sums.aggregator([])
    partial = PartialSum(sums.encoding, DIMENSION, np.full(DIMENSION, modulus - 1, np.uint64), ())
    for _ in range(66_000):
        running.merge(partial)
    assert set(running.words.tolist()) == {-66_000 % modulus}


@every_suite
def test_other_sums_are_refused_and_add_nothing(name: str) -> None:
    sums = Sums(name, 2, 3)
    running, partial = sums.aggregator([0]), sums.aggregator([1]).partial
    before = running.partial
    other = next(Sums(kind, 1, 3).aggregator([0]).partial for kind in SETTINGS if kind != name)
    words = partial.words
    refused = {
        "another suite or packing": other,
        "other bits": replace(partial, encoding=sums.scheme.encoding_for(7, partial.encoding.packing)),
        "a dimension with as many words or blocks": replace(partial, dimension=DIMENSION + 1),
        "fewer words": replace(partial, words=words[:-1]),
        "two axes": replace(partial, words=words[None]),
        "signed words": replace(partial, words=words.astype(np.int64)),
        "floating words": replace(partial, words=words.astype(np.float64)),
    }
    if name != "fe64":
        above = words.copy()
        above[-1] = {"pad 4": 2**32 - 5, "pad 6": 2**48 - 59}[name]
        refused |= {
            "a word that is not below the modulus": replace(partial, words=above),
            "a word of 64 bits": replace(partial, words=words | np.uint64(2**63)),
        }
    for why, wrong in refused.items():
        with pytest.raises(EncryptionError) as caught:
            running.merge(wrong)
        assert caught.value.code == "E_PARAMS", why
    for weight in (0, 256, True):
        with pytest.raises(EncryptionError) as caught:
            running.merge(replace(partial, weights=(1, weight)))
        assert caught.value.code == "E_WEIGHT"
    assert np.array_equal(running.words, before.words)
    assert running.partial.weights == before.weights


@every_suite
def test_a_view_or_a_read_only_array_is_as_good(name: str) -> None:
    sums = Sums(name, 2, 4, compiled=True)
    partial = sums.aggregator([1]).partial
    strided = np.repeat(partial.words, 2)[::2]
    strided.flags.writeable = False
    running = sums.aggregator([0])
    running.merge(replace(partial, words=strided))
    assert np.array_equal(running.words, sums.aggregator([0, 1]).words)
