"""The phone believes an edge server nothing that it cannot check, and survives every answer."""

from __future__ import annotations

import json
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
from protocol.canonical import encode
from protocol.errors import HearthError
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.submission import SignedReceipt, Submission

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
    plan, label, signature = "0x" + "ab" * 32, "0x" + "cd" * 32, "0x" + "ef" * 65
    answer = {"plan": plan, "round": 3, "label": label, "signature": signature}
    found = _answers(200, json.dumps(answer).encode()).next_round(1, 2, 0)
    said = SignedRoundStatement(RoundStatement(1, 3, b"\xcd" * 32, bytes(32)), b"\xef" * 65)
    assert found == NextRound(3, b"\xab" * 32, said)
    for name in answer:
        with pytest.raises(HearthError):
            _answers(200, json.dumps({**answer, name: "0x"}).encode()).next_round(1, 2, 0)
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


def test_receipts() -> None:
    receipt = SignedReceipt(b"\1" * 20, b"\2" * 65)
    assert _answers(202, encode(receipt)).submit(1, 1, SUBMISSION) == receipt
    assert _answers(202).submit(1, 1, SUBMISSION) is None
    for content in (b"{}", b"nonsense", encode(receipt) + b" "):
        with pytest.raises(HearthError):
            _answers(202, content).submit(1, 1, SUBMISSION)


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
