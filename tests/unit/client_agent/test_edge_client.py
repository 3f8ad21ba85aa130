"""The phone believes an edge server nothing that it cannot check, and survives every answer."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from client_agent.edge_client import (
    MAX_ANSWER_BYTES,
    EdgeClient,
    EdgeRefusedError,
    EdgeUnavailableError,
    NextRound,
    TaskEnded,
)
from protocol.errors import HearthError
from protocol.messages.submission import Submission

SUBMISSION = Submission(b"\1" * 20, b"\2" * 16, b"\3" * 32, b"\4" * 65)
Handler = Callable[[httpx2.Request], httpx2.Response]


def _client(handler: Handler) -> EdgeClient:
    client = EdgeClient("http://127.0.0.1:1")
    client._http = httpx2.Client(base_url="http://127.0.0.1:1", transport=httpx2.MockTransport(handler))
    client._http.headers.clear()
    return client


def _answers(status: int, content: bytes = b"") -> EdgeClient:
    return _client(lambda _: httpx2.Response(status, content=content))


def test_next_round() -> None:
    digest = "0x" + "ab" * 32
    found = _answers(200, f'{{"plan":"{digest}","round":3}}'.encode()).next_round(1, 2, 0)
    assert found == NextRound(3, b"\xab" * 32)
    assert _answers(200, b'{"ended":1}').next_round(1, 2, 0) == TaskEnded()
    assert _answers(204).next_round(1, 2, 0) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        b'{"round":2,"plan":"0x' + b"ab" * 32 + b'"}',  # not later than the one we have
        b'{"round":"3","plan":"0x' + b"ab" * 32 + b'"}',
        b'{"round":3,"plan":"0xab"}',
        b'{"round":3,"plan":7}',
        b"[" * 5_000,
        b"x" * (MAX_ANSWER_BYTES + 1),
    ],
)
def test_hostile_next_rounds_are_typed_errors(content: bytes) -> None:
    with pytest.raises(HearthError):
        _answers(200, content).next_round(1, 2, 0)


def test_refusals_carry_the_servers_code() -> None:
    problem = b'{"code":"E_SOMETHING","detail":"why"}'
    with pytest.raises(EdgeRefusedError) as caught:
        _answers(409, problem).submit(1, 1, SUBMISSION)
    assert caught.value.code == "E_SOMETHING"
    with pytest.raises(EdgeUnavailableError):
        _answers(500, problem).submit(1, 1, SUBMISSION)
    with pytest.raises(EdgeUnavailableError):
        _answers(302).submit(1, 1, SUBMISSION)


def test_a_dead_server_is_unavailable() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    with pytest.raises(EdgeUnavailableError):
        _client(refuse).submit(1, 1, SUBMISSION)


def test_every_byte_sent_is_counted() -> None:
    seen: list[int] = []

    def count(request: httpx2.Request) -> httpx2.Response:
        head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
        headers = sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
        seen.append(len(head) + headers + 2 + len(request.content))
        return httpx2.Response(202)

    client = _client(count)
    client.submit(1, 1, SUBMISSION)
    assert abs(client.bytes_sent - seen[0]) <= 2
    assert client.bytes_sent < 700
