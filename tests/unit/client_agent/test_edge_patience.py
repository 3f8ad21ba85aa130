"""What comes back in place of an edge server's answer: waited for where that helps, or told in one line."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from client_agent.edge_client import EdgeClient, EdgeUnavailableError
from protocol.errors import Party
from protocol.messages.submission import Submission

SUBMISSION = Submission(b"\1" * 20, b"\2" * 16, b"\3" * 32, b"\4" * 65)


def _client(handler: Callable[[httpx2.Request], httpx2.Response], pauses: list[float]) -> EdgeClient:
    """``pauses`` gets those that the client makes."""
    client = EdgeClient(["http://one"], pause=pauses.append)
    client._http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return client


BUSY = b'{"code":"E_BUSY","detail":"too many requests at once"}'


@pytest.mark.parametrize(
    ("answer", "pauses"),
    [
        (httpx2.Response(429, headers={"retry-after": "3"}), [3.0, 3.0]),
        (httpx2.Response(429, headers={"retry-after": "60"}), None),
        (httpx2.Response(503, content=b"<html><h1>503 Service Unavailable</h1>"), [0.5, 1.0]),
        (httpx2.Response(502), [0.5, 1.0]),
        (httpx2.Response(503, content=BUSY), [0.5, 1.0]),
        (httpx2.Response(503, content=b'{"code":"E_KEYS_AWAITED"}'), None),
        (httpx2.Response(500), None),
        (httpx2.Response(403, content=b"<html>"), None),
    ],
)
def test_not_now_is_asked_again_after_a_pause(answer: httpx2.Response, pauses: list[float] | None) -> None:
    """``pauses``: up to a success at the third time of asking; None where it is not asked again at all."""
    asked, made = 0, list[float]()

    def handle(_: httpx2.Request) -> httpx2.Response:
        nonlocal asked
        asked += 1
        good = pauses is not None and asked == 3
        return (
            httpx2.Response(202)
            if good
            else httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)
        )

    client = _client(handle, made)
    if pauses is None:
        with pytest.raises(EdgeUnavailableError):
            client.submit(1, 1, SUBMISSION)
        assert (asked, made) == (1, [])
    else:
        client.submit(1, 1, SUBMISSION)
        assert made == pauses


def test_it_is_not_asked_for_ever() -> None:
    made = list[float]()
    with pytest.raises(EdgeUnavailableError, match="status 503 Service Unavailable"):
        _client(lambda _: httpx2.Response(503), made).submit(1, 1, SUBMISSION)
    assert len(made) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            httpx2.Response(503, content=b"<html>\n<h1>no</h1>"),
            "one: status 503 Service Unavailable: a web page",
        ),
        (httpx2.Response(401), "status 401 Unauthorized; credentials"),
        (httpx2.Response(301, headers={"location": "http://two"}), "sends elsewhere"),
        (httpx2.Response(200, content=b"<html>"), "http://one: the edge server's answer is not JSON"),
        (httpx2.Response(599, content=b"\x1b[31m\nred"), r"http://one: status 599: \[U\+001B\]\[31m red"),
        (None, "http://one: connect error: refused"),
    ],
)
def test_what_is_no_answer_is_one_line(answer: httpx2.Response | None, said: str) -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        if answer is None:
            raise httpx2.ConnectError("refused", request=request)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    with pytest.raises(EdgeUnavailableError, match=said) as raised:
        _client(handle, []).next_round(1, 2, 0)
    assert raised.value.fault is Party.EDGE_SERVER
    assert "\n" not in str(raised.value) and "\x1b" not in str(raised.value)


def test_a_proxy_that_is_away_is_not_the_servers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(EdgeUnavailableError, match=r"by the proxy http://127\.0\.0\.1:9") as raised:
        EdgeClient(["http://far.invalid"]).submit(1, 1, SUBMISSION)
    assert raised.value.fault is Party.OURS
