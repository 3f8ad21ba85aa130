"""The canonical encoding: one value, one byte string, one error for everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.canonical import decode, encode, reference
from protocol.errors import MalformedError
from protocol.identifiers import Address, Range, Word
from protocol.messages.settlement import Allocation, Entitlement
from protocol.messages.submission import Commitment

commitments = st.builds(
    Commitment,
    task=st.integers(0, 2**256 - 1),
    round=st.integers(1, 2**32 - 1),
    client=st.binary(min_size=20, max_size=20),
    label=st.binary(min_size=32, max_size=32),
    nonce=st.binary(min_size=16, max_size=16),
    ciphertext=st.binary(min_size=32, max_size=32),
)


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    numbers: dict[str, int]
    owners: Annotated[tuple[Address, ...], Range(0, 2)]
    amount: Word


SAMPLE = Sample("x", {"b": 2, "a": -1}, (bytes(20),), 5)


def test_known_bytes() -> None:
    expected = b'{"amount":5,"name":"x","numbers":{"a":-1,"b":2},"owners":["0x' + b"00" * 20 + b'"]}'
    assert encode(SAMPLE) == expected
    assert decode(Sample, expected) == SAMPLE


@given(commitments)
def test_round_trip(commitment: Commitment) -> None:
    assert decode(Commitment, encode(commitment)) == commitment


texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=8)
samples = st.builds(
    Sample,
    name=texts,
    numbers=st.dictionaries(texts, st.integers(-(2**70), 2**70) | st.booleans(), max_size=4),
    owners=st.lists(st.binary(min_size=19, max_size=20), max_size=3).map(tuple),
    amount=st.integers(-1, 2**256) | st.booleans(),
)


@given(samples)
def test_speed_changes_neither_bytes_nor_errors(sample: Sample) -> None:
    def said(by: Callable[[Sample], bytes]) -> object:
        try:
            return by(sample)
        except MalformedError as error:
            return error.args

    assert said(encode) == said(reference)


@given(commitments, st.data())
def test_every_damaged_encoding_is_refused_or_another_value(commitment: Commitment, data: st.DataObject) -> None:
    encoded = encode(commitment)
    position = data.draw(st.integers(0, len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), encoded[:position], encoded + b" ", b" " + encoded):
        try:
            value = decode(Commitment, damaged)
        except MalformedError:
            continue
        assert value != commitment and encode(value) == damaged


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"1e400",
        b"\xff",
        b"[" * 100_000,
        encode(SAMPLE).replace(b":5", b":5.0"),
        encode(SAMPLE).replace(b":5", b":NaN"),
        encode(SAMPLE).replace(b":5", b":true"),
        encode(SAMPLE).replace(b":5", b":-1"),
        encode(SAMPLE).replace(b":5", b":" + str(2**256).encode()),
        encode(SAMPLE).replace(b'"x"', b'"\xc3\xa9"'),
        encode(SAMPLE).replace(b'"name":"x",', b""),
        encode(SAMPLE).replace(b'"name"', b'"extra":1,"name"'),
        encode(SAMPLE).replace(b'"name":"x"', b'"name":"x","name":"x"'),
        encode(SAMPLE).replace(b"0x00", b"0X00"),
        encode(SAMPLE).replace(b"0x00", b"0x0"),
    ],
)
def test_anything_else_is_one_typed_error(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(Sample, data)


def test_size_is_checked_before_parsing() -> None:
    with pytest.raises(MalformedError, match="exceed"):
        decode(Sample, b"x" * 101, max_bytes=100)


def test_constraints_hold_when_encoding_too() -> None:
    with pytest.raises(MalformedError, match="expected 20 bytes"):
        encode(Allocation(1, 1, (Entitlement(b"short", 1, 1),)))
    with pytest.raises(MalformedError, match="not in"):
        encode(Sample("x", {}, (bytes(20),) * 3, 5))
