"""When to ask again, whom to blame, and what to say of an answer that is none."""

from __future__ import annotations

import httpx2
import pytest

from protocol.errors import Party
from storage.http_answers import MAX_QUOTED, PAUSES, culprit, pause_of, refusal, retry_after

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("Sun, 06 Nov 1994 08:49:40 GMT", 3.0),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
        ("Sun, 06 Nov 1994 08:49:00", None),
        ("-1", None),
        ("1e9", None),
        ("9" * 40, None),
        ("\u0661", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_of_the_servers_own_clock(value: str, seconds: float | None) -> None:
    headers = httpx2.Headers({b"retry-after": value.encode(), b"date": DATE.encode()})
    assert retry_after(headers) == seconds


def test_a_date_without_the_servers_clock_says_nothing() -> None:
    assert retry_after(httpx2.Headers({"retry-after": DATE})) is None


def test_pauses_grow_and_end() -> None:
    none = httpx2.Headers()
    assert [pause_of(503, none, attempt=attempt) for attempt in range(4)] == [*PAUSES, None]
    assert [pause_of(status, none) is not None for status in (429, 502, 503, 504, 500, 404, 200)] == 4 * [True] + 3 * [
        False
    ]
    assert pause_of(503, none, "E_STANDBY") is None


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (502, b" <!DOCTYPE html>\n<title>x", "status 502 Bad Gateway: a web page"),
        (999, b"a\nb\tc", "status 999: a b c"),
        (500, b"x" * 10_000, f"status 500 Internal Server Error: {'x' * MAX_QUOTED}"),
        (500, b"", "status 500 Internal Server Error"),
        (500, b"\xff", "status 500 Internal Server Error: \ufffd"),
    ],
)
def test_a_refusal_is_one_short_line(status: int, content: bytes, said: str) -> None:
    assert refusal(status, content) == said


def test_the_proxy_of_the_environment_is_nobody_elses_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    dead, silent = httpx2.ConnectError("refused"), httpx2.ReadTimeout("")
    assert culprit("http://far.example", dead, Party.KEY_AUTHORITY) is Party.OURS
    assert culprit("http://far.example", silent, Party.KEY_AUTHORITY) is Party.KEY_AUTHORITY
    assert culprit("http://127.0.0.1:9", dead, Party.KEY_AUTHORITY) is Party.KEY_AUTHORITY
