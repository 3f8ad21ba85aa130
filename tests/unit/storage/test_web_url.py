"""What a person types as a server's URL."""

from __future__ import annotations

import pytest

from storage.web_url import no_url


@pytest.mark.parametrize(
    "text",
    ["http://localhost", "https://rpc.example:8545/v3/key?x=1", "http://[::1]:8545", "https://user:secret@host/", "http://küche.example"],
)  # fmt: skip
def test_urls(text: str) -> None:
    assert no_url(text) is None


@pytest.mark.parametrize(
    "text",
    ["", " ", "host:8545", "ftp://host", "http://", "http:///path", "http://host:0", "http://host:70000",
     "http://host:x", "http://[::1", "http://a..b", "http://" + "x" * 64, "http://name-\udcfc", "http://host/ c",
     "http://host/\x1b[31m", "x" * 9_999],
)  # fmt: skip
def test_anything_else_is_refused_in_one_short_printable_line(text: str) -> None:
    why = no_url(text)
    assert why is not None and why.isprintable() and len(why) < 250


def test_a_password_is_not_repeated() -> None:
    assert "secret" not in str(no_url("http://user:secret@host:70000"))
