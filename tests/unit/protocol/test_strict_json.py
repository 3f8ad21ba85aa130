"""Hostile JSON never reaches the parser; everything else comes back as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import MalformedError
from protocol.strict_json import MAX_DEPTH, canonical_json, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_json_round_trips(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(canonical_json(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_one_error(content: bytes) -> None:
    try:
        parse_json(content)
    except MalformedError:
        pass


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b'"]' * 3 + b"[" * 200_000])
def test_deep_nesting_is_refused_before_parsing(content: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_json(content)


def test_depth_is_counted_outside_strings_only() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    with pytest.raises(MalformedError, match="deep"):
        parse_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert parse_json(json.dumps("[{" * 1000 + '"' + "[" * 1000).encode()).count("[") == 2000


def test_an_endless_string_is_scanned_once() -> None:
    with pytest.raises(MalformedError):
        parse_json(b'\\"' * 2_000_000)
