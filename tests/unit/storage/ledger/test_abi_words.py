"""Words that are read at speed are those that the library reads, and everything else is left to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identifiers import to_hex
from storage.ledger.ethereum import abi
from storage.ledger.ethereum.abi_words import decode_words
from storage.ledger.interface import LedgerError

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bytes": st.binary(max_size=70),
    "address": st.binary(min_size=20, max_size=20).map(to_hex),
    "bool": st.booleans(),
    "uint8": st.integers(0, 2**8 - 1),
    "uint48": st.integers(0, 2**48 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "bytes16": st.binary(min_size=16, max_size=16),
    "bytes32": st.binary(min_size=32, max_size=32),
}
TYPED = st.lists(st.sampled_from(sorted(VALUES)), max_size=6).flatmap(
    lambda types: st.tuples(st.just(tuple(types)), st.tuples(*(VALUES[kind] for kind in types)))
)


def _by_the_library(types: tuple[str, ...], data: bytes) -> tuple[Any, ...] | None:
    try:
        return abi.reference_decode(types, data)
    except LedgerError:
        return None


@given(TYPED, st.data())
def test_the_same_values_or_the_same_refusal(
    typed: tuple[tuple[str, ...], tuple[Any, ...]], data: st.DataObject
) -> None:
    types, values = typed
    encoded = abi.encode(types, values)
    assert decode_words(types, encoded) == _by_the_library(types, encoded) is not None
    if encoded:
        damaged = bytearray(encoded)
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        assert decode_words(types, bytes(damaged)) == _by_the_library(types, bytes(damaged))
    for other in (encoded[:-1], encoded[:-32], encoded + bytes(32)):
        assert decode_words(types, other) == _by_the_library(types, other)


@pytest.mark.parametrize("kind", ["string", "uint8[]", "(uint8,bytes)", "int8"])
def test_other_types_are_the_librarys(kind: str) -> None:
    assert decode_words((kind,), bytes(64)) is None
