"""A page's address leads to the pages before and behind it; an odd one is the first page's."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from backend.dashboard.trail import Trail, trail_of


def at(address: str) -> Trail:
    query = urlsplit(address).query.encode()
    return trail_of(Request({"type": "http", "query_string": query, "headers": [], "method": "GET", "path": "/"}))


@given(st.lists(st.integers(1, 10**17), min_size=1, max_size=30))
def test_forth_and_back(cursors: list[int]) -> None:
    address, seen = "/list", [at("/list")]
    for cursor in cursors:
        address = seen[-1].later("/list", str(cursor), {"state": "running"}) or ""
        seen.append(at(address))
        assert "state=running" in address and seen[-1].number == len(seen)
    for expected in reversed(seen[:-1]):
        address = at(address).earlier("/list") or ""
        assert at(address) == expected
    assert at(address).earlier("/list") is None


@pytest.mark.parametrize("query", ["cursor=x", "cursor=1&before=a", "before=1", "cursor=1&before=1.<b>", "cursor=0x12"])
def test_an_odd_address_is_that_of_the_first_page(query: str) -> None:
    assert at(f"/list?{query}") == Trail("", ())
