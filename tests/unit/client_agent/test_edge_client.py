"""The phone believes an edge server nothing that it cannot check, and survives every answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

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
from client_agent.sent_requests import Asked
from protocol.canonical import encode
from protocol.errors import HearthError
from protocol.incentives.rewards import allocation_root, claim_proof, first_allocation
from protocol.messages.keys import WindowKeys
from protocol.messages.round import RoundStatement, SignedRoundStatement
from protocol.messages.submission import SignedReceipt, Submission
from storage.ledger.signer import Signer
from tests.ports.reference_chain import DOMAIN
from tests.samples import client_address, private_key
from tests.unit.backend.rounds.scene_committee import window_key

SUBMISSION = Submission(b"\1" * 20, b"\2" * 16, b"\3" * 32, b"\4" * 65)
SAID = SignedRoundStatement(RoundStatement(1, 3, b"\xcd" * 32, bytes(32)), b"\xef" * 65)
ANNOUNCED = NextRound(3, b"\xab" * 32, SAID)
ANNOUNCEMENT = {"plan": "0x" + "ab" * 32, "round": 3, "label": "0x" + "cd" * 32, "signature": "0x" + "ef" * 65}
Handler = Callable[[httpx2.Request], httpx2.Response]


def client_of(handler: Handler, urls: tuple[str, ...] = ("http://one",)) -> EdgeClient:
    client = EdgeClient(urls)
    client._http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    client._http.headers.clear()
    return client


def _answers(status: int, content: bytes = b"") -> EdgeClient:
    return client_of(lambda _: httpx2.Response(status, content=content))


def test_next_round() -> None:
    assert _answers(200, json.dumps(ANNOUNCEMENT).encode()).next_round(1, 2, 0) == ANNOUNCED
    for name in ANNOUNCEMENT:
        with pytest.raises(HearthError):
            _answers(200, json.dumps({**ANNOUNCEMENT, name: "0x"}).encode()).next_round(1, 2, 0)
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
        client_of(refuse).submit(1, 1, SUBMISSION)


def test_every_byte_sent_is_counted() -> None:
    seen: list[int] = []

    def count(request: httpx2.Request) -> httpx2.Response:
        head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
        headers = sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
        seen.append(len(head) + headers + 2 + len(request.content))
        return httpx2.Response(202)

    client = client_of(count)
    client.submit(1, 1, SUBMISSION)
    assert abs(client.bytes_sent - seen[0]) <= 2
    assert client.bytes_sent < 700


URLS = ("http://one", "http://two")


def _two(answers: dict[str, httpx2.Response | None]) -> tuple[EdgeClient, list[str]]:
    """A client of two servers and the hosts that it asked; None is a server that is away. Both may be changed."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        response = answers[request.url.host]
        if response is None:
            raise httpx2.ConnectError("refused", request=request)
        return httpx2.Response(response.status_code, content=response.content)

    return client_of(answer, URLS), asked


@pytest.mark.parametrize(
    "useless",
    [
        None,
        httpx2.Response(503, content=b'{"code":"E_STANDBY"}'),
        httpx2.Response(404, content=b'{"code":"E_NOT_FOUND"}'),
        httpx2.Response(404, content=b"no problem document"),
        httpx2.Response(200, content=b"nonsense"),
        httpx2.Response(200, content=b'{"round":2,"plan":"0x00"}'),
        httpx2.Response(200, content=b"x" * (MAX_ANSWER_BYTES + 1)),
    ],
)
def test_the_next_server_is_asked_when_one_does_not_serve(useless: httpx2.Response | None) -> None:
    client, asked = _two({"one": useless, "two": httpx2.Response(200, content=json.dumps(ANNOUNCEMENT).encode())})
    assert [client.next_round(1, 2, 0) for _ in range(2)] == [ANNOUNCED] * 2
    assert asked == ["one", "two", "two"], "the one that served is asked first from then on"


def test_a_refusal_is_an_answer() -> None:
    refusal = httpx2.Response(409, content=b'{"code":"E_SUBMITTED"}')
    client, asked = _two({"one": refusal, "two": httpx2.Response(202)})
    with pytest.raises(EdgeRefusedError):
        client.submit(1, 1, SUBMISSION)
    assert asked == ["one"]
    client.submit(1, 1, SUBMISSION)
    assert asked == ["one", "two"], "but the next request may find a kinder server"


ALLOCATION = replace(first_allocation(1, {client_address(number): number for number in range(4)}), round=2)
ME, ROOT = client_address(2), allocation_root(ALLOCATION)


@pytest.mark.parametrize(
    "useless",
    [
        None,
        httpx2.Response(404, content=b'{"code":"E_NOT_FOUND"}'),
        httpx2.Response(422, content=b'{"code":"E_WHATEVER"}'),
        httpx2.Response(200, content=b"nonsense"),
        httpx2.Response(204),
        httpx2.Response(200, content=encode(claim_proof(ALLOCATION, client_address(1)))),
        httpx2.Response(200, content=encode(replace(claim_proof(ALLOCATION, ME), index=4))),
    ],
)
def test_an_entitlement_is_asked_of_everybody_and_only_a_proof_believed(useless: httpx2.Response | None) -> None:
    proven = claim_proof(ALLOCATION, ME)
    client, asked = _two({"one": useless, "two": httpx2.Response(200, content=encode(proven))})
    assert client.entitlement(1, 2, ME, ROOT) == proven
    assert asked == ["one", "two"]
    alone, _ = _two({"one": useless, "two": useless})
    with pytest.raises(EdgeUnavailableError):
        alone.entitlement(1, 2, ME, ROOT)


def test_nobody_serves() -> None:
    answers: dict[str, httpx2.Response | None] = {
        "one": None,
        "two": httpx2.Response(503, content=b'{"code":"E_STANDBY"}'),
    }
    client, asked = _two(answers)
    with pytest.raises(EdgeUnavailableError):
        client.submit(1, 1, SUBMISSION)
    assert asked == ["one", "two"]
    answers["one"] = httpx2.Response(202)
    client.submit(1, 1, SUBMISSION)


def test_after_a_poll_without_news_another_server_is_polled() -> None:
    client, asked = _two({"one": httpx2.Response(204), "two": httpx2.Response(204)})
    assert [client.next_round(1, 2, 0) for _ in range(3)] == [None] * 3
    assert asked == ["one", "two", "one"]


def test_keys_to_seal_to_are_taken_from_whoever_shows_signed_ones() -> None:
    signers = [Signer(private_key("authority", j)) for j in (1, 2)]
    members, keys = [signer.address for signer in signers], [window_key(signer, 1, 2) for signer in signers]
    forged = replace(keys[0], encryption_key=b"\7" * 1216)
    awaited = httpx2.Response(503, json={"code": "E_KEYS_AWAITED"})
    good = httpx2.Response(200, content=encode(WindowKeys(tuple(keys))))
    for bad in (awaited, httpx2.Response(200, content=encode(WindowKeys((forged, keys[1]))))):
        client, asked = _two({"one": bad, "two": good})
        found = client.window_keys(DOMAIN, 1, 2, members)
        assert found == [(key.statement.authority, key.encryption_key) for key in keys]
        assert asked == ["one", "two"]
        with pytest.raises(EdgeUnavailableError):
            client.window_keys(DOMAIN, 1, 3, members)


def test_bytes_to_every_server_are_counted() -> None:
    alone, _ = _two({"one": httpx2.Response(202)})
    alone.submit(1, 1, SUBMISSION)
    both, _ = _two({"one": httpx2.Response(503), "two": httpx2.Response(202)})
    both.submit(1, 1, SUBMISSION)
    assert both.bytes_sent == 2 * alone.bytes_sent


@contextmanager
def dripping_server(part: str) -> Iterator[str]:
    """Sends one byte of the head or of the body every now and then, for ever; its URL."""
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4_096)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"x: " if part == "head" else b"content-length: 9999\r\n\r\n"))
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"y")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_drips_is_given_up(part: str) -> None:
    """Every piece comes before the next read times out; the whole answer never does."""
    with dripping_server(part) as url:
        client = EdgeClient((url,), timeout_seconds=0.3)
        with pytest.raises(EdgeUnavailableError):
            client.next_round(1, 2, 0)
        client.close()


def test_every_request_is_counted_by_kind_with_its_bytes() -> None:
    """Attempts that fail as well: their bytes have left."""
    heard = list[tuple[Asked, int]]()
    client = EdgeClient(("http://one", "http://two"), tally=lambda kind, size: heard.append((kind, size)))
    client._http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500)))
    for ask in (lambda: client.submit(1, 1, SUBMISSION), lambda: client.next_round(1, 0, 0)):
        with pytest.raises(EdgeUnavailableError):
            ask()
    assert [kind for kind, _ in heard] == [Asked.COMMITMENT] * 2 + [Asked.NEXT_ROUND] * 2
    assert sum(size for _, size in heard) == client.bytes_sent
    assert heard[0][1] > len(encode(SUBMISSION)) > heard[2][1] > 0
